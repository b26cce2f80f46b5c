// Takes the pictures in docs/pictures: the page's own files, with the answers of house.mjs.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'

import { DESKTOP, PHONE, launch } from './browser.mjs'
import { NOW, answer } from './house.mjs'

const [files, pictures] = process.argv.slice(2)
const TYPES = { html: 'text/html', css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml' }

let isLoggedIn = true

const server = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://house')
  if (pathname === '/v1/events') {
    // A stream on which nothing happens.
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(': nothing new\n\n')
    return
  }
  const body = isLoggedIn ? answer(pathname, searchParams) : undefined
  if (body !== undefined) {
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
  } else if (pathname.startsWith('/v1/')) {
    response.writeHead(401, { 'Content-Type': 'application/json' }).end('{"error":"unauthorized","message":"no valid credential"}')
  } else {
    const name = pathname === '/' ? 'index.html' : pathname.replace('/page/', '')
    const text = await readFile(`${files}/${name}`)
    response.writeHead(200, { 'Content-Type': TYPES[name.split('.').pop()] }).end(text)
  }
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const address = `http://127.0.0.1:${server.address().port}`

const browser = await launch()

async function take (name, size, colorScheme, prepare = async () => {}) {
  const context = await browser.newContext({ viewport: size, colorScheme, reducedMotion: 'reduce', locale: 'en-GB', timezoneId: 'Europe/Berlin' })
  const page = await context.newPage()
  await page.clock.setFixedTime(NOW)
  await page.goto(address)
  if (isLoggedIn) {
    await page.locator('#link-state[data-state=live]').waitFor()
    await page.locator('.bars').last().waitFor()
    await page.locator('.event').first().waitFor()
  }
  await prepare(page)
  await page.screenshot({ path: `${pictures}/${name}-${colorScheme}.png`, animations: 'disabled', caret: 'hide' })
  await context.close()
}

for (const scheme of ['light', 'dark']) {
  isLoggedIn = true
  await take('page-desktop', DESKTOP, scheme)
  await take('page-phone', PHONE, scheme)
  await take('page-phone-history', PHONE, scheme, (page) => page.locator('.history').evaluate((it) => it.scrollIntoView()))
  await take('page-phone-chart', PHONE, scheme, (page) => page.locator('.chart').evaluate((it) => it.scrollIntoView()))
  await take('page-confirm', PHONE, scheme, async (page) => {
    await page.getByRole('button', { name: 'Open door Front door' }).click()
    await page.getByRole('dialog').waitFor()
  })
  isLoggedIn = false
  await take('page-login', PHONE, scheme, (page) => page.getByLabel('Token', { exact: true }).waitFor())
}
await browser.close()
server.closeAllConnections()
server.close()
