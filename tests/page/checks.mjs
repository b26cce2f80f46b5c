// What the page must do, in the order in which somebody uses it. Every wait is one of Playwright's own.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

import { DESKTOP, PHONE, SMALL_PHONE, launch } from './browser.mjs'
import { atDoor, executed } from './door.mjs'
import { answer } from './house.mjs'

const { PAGE, PAGE_TLS, OWNER, RESIDENT, WATCHER, READER, NUKI_ID, ANNA, BEN, NOBODY, KEYTURNER, DATA, SHOTS } = process.env
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const HOSTILE = '<img src onerror=x>'
const TURNED = 'Eve\u202egnp.'
const SECONDS = 20_000

const browser = await launch()
const troubles = []

/** A browser of its own. Whatever a page complains of is collected, and fails the run. */
async function open (options = {}) {
  const made = await browser.newContext({ viewport: DESKTOP, locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options })
  made.setDefaultTimeout(SECONDS)
  // A mark that a hostile name would leave, and each thing that the policy stops.
  await made.addInitScript(() => {
    window.ran = []
    window.x = () => window.ran.push('x')
    document.addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))
  })
  const opened = await made.newPage()
  opened.on('pageerror', (error) => troubles.push(`error in the page: ${error.stack}`))
  opened.on('console', (message) => {
    // What the page is told by a status is its own business.
    if (message.type() === 'error' && !/Failed to load resource|net::ERR/.test(message.text())) troubles.push(message.text())
  })
  return [opened, made]
}

async function logIn (on, token, at = PAGE) {
  await on.goto(at)
  await on.getByLabel('Token', { exact: true }).fill(token)
  await on.getByRole('button', { name: 'Log in' }).click()
  await on.getByRole('heading', { name: 'Locks' }).waitFor()
}

const events = (on) => on.locator('.event')
const event = (on, text) => events(on).filter({ hasText: text })
const live = (on) => on.locator('#link-state[data-state=live]').waitFor()

/** What axe finds wrong with what is on the screen, in both schemes and on screens of three sizes. */
async function accessible (on, what) {
  for (const colorScheme of ['light', 'dark']) {
    for (const size of [SMALL_PHONE, PHONE, DESKTOP]) {
      await on.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await on.setViewportSize(size)
      // Past the policy by the debugger, not by the page.
      await on.evaluate(AXE)
      const { violations, passes } = await on.evaluate(() => window.axe.run(document, {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
      }))
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join('; ')}`)
      assert.deepEqual(found, [], `${what}, ${colorScheme}, ${size.width} px`)
      assert.ok(passes.some(({ id }) => id === 'color-contrast'), `${what}: contrast was looked at`)
      const wide = await on.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
      assert.ok(wide <= 0, `${what}, ${size.width} px: nothing is wider than the screen, ${wide}`)
      const small = await on.evaluate(() => [...document.querySelectorAll('button, select, summary, input:not(.visually-hidden)')]
        .filter((it) => it.checkVisibility() && it.type !== 'checkbox' && it.getBoundingClientRect().height < 44)
        .map((it) => it.outerHTML))
      assert.deepEqual(small, [], `${what}, ${size.width} px: a finger finds everything`)
    }
  }
  await on.setViewportSize(DESKTOP)
}

const [page, context] = await open()

/** What is wrong with a house in which everything is: each tone and mark of the page at once. */
function trouble (path) {
  const given = structuredClone(answer(path, new URLSearchParams()))
  if (path === '/v1/locks') {
    Object.assign(given.locks[0].lastKnownState, { state: 254, stateName: 'motor blocked', keypadBatteryCritical: true })
    Object.assign(given.locks[2].lastKnownState, { state: 3, stateName: 'rto active' })
  }
  if (path === '/v1/health') {
    given.radio = { isListening: false, problem: 'no Bluetooth adapter; is it plugged in?' }
    given.locks[1] = { nukiId: given.locks[1].nukiId, attention: ['no security PIN was given, so nobody can be named'] }
  }
  return given
}

const checks = {
  async 'where nobody can log in, the page says why and what to do' () {
    const [stranger, its] = await open()
    const problem = { error: 'not_private', message: 'no token is taken over this way', hint: '' }
    await stranger.route('**/v1/session', (route) => route.fulfill({ status: 403, json: problem }))
    await stranger.goto(PAGE)
    await stranger.getByText('No token is taken over this connection').waitFor()
    assert.equal(await stranger.getByLabel('Token', { exact: true }).isVisible(), false, 'nobody types one where it can be read')
    await accessible(stranger, 'refusal')
    await stranger.unroute('**/v1/session')
    await stranger.route('**/v1/session', (route) => route.abort('connectionrefused'))
    await stranger.reload()
    await stranger.getByText('The gateway does not answer').waitFor()
    await stranger.unroute('**/v1/session')
    await stranger.getByRole('button', { name: 'Try again' }).click()
    await stranger.getByLabel('Token', { exact: true }).waitFor()
    await its.close()
  },

  async 'a wrong token is refused in words, and nothing of it stays' () {
    await page.goto(PAGE)
    const field = page.getByLabel('Token', { exact: true })
    await field.waitFor()
    assert.equal(await field.evaluate((it) => it === document.activeElement), true, 'the cursor is where it is needed')
    await accessible(page, 'login')
    await field.fill('not-a-token')
    await page.keyboard.press('Enter')
    await page.getByText('This token is wrong').waitFor()
    assert.equal(await field.getAttribute('aria-invalid'), 'true')
    assert.ok(!page.url().includes('not-a-token'))
  },

  async 'a token opens the house, and no script can read what stands for it' () {
    await logIn(page, RESIDENT)
    await live(page)
    assert.equal(await page.locator('#token-name').textContent(), 'resident')
    const cookies = await context.cookies()
    assert.deepEqual(cookies.map(({ name, httpOnly, sameSite, path }) => [name, httpOnly, sameSite, path]), [['keyturner', true, 'Strict', '/']])
    assert.deepEqual(await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]), ['', 0, 0])
    await page.reload()
    await page.getByRole('heading', { name: 'Locks' }).waitFor()
  },

  async 'what happens at the door shows by itself, with who it was and how' () {
    await live(page)
    await atDoor(`keypad ${ANNA}`)
    await event(page, 'Anna').filter({ hasText: 'by keypad code' }).first().waitFor()
    await page.locator('.lock').filter({ hasText: /Unlocked|Open/ }).waitFor()
    await page.locator('#news').filter({ hasText: 'Anna' }).waitFor({ state: 'attached' })
    await atDoor('manual lock')
    await event(page, 'by hand').first().waitFor()
    await page.locator('.lock .state').filter({ hasText: 'Locked' }).waitFor()
  },

  async 'a refused code is marked in words, and is nobody' () {
    await atDoor(`keypad ${NOBODY}`)
    const refused = event(page, 'wrong code').first()
    await refused.waitFor()
    assert.match(await refused.innerText(), /Somebody[\s\S]*Refused/)
  },

  async 'the filters show one person, or what was refused, also of what comes in later' () {
    await atDoor(`keypad ${BEN}`)
    await event(page, 'Ben').first().waitFor()
    await page.getByLabel('Person').selectOption('Anna')
    await event(page, 'Ben').first().waitFor({ state: 'detached' })
    assert.ok((await events(page).allInnerTexts()).every((text) => text.includes('Anna')))
    await atDoor('manual lock')
    await page.locator('.lock .state').filter({ hasText: 'Locked' }).waitFor()
    const before = await events(page).count()
    await atDoor(`keypad ${ANNA}`)
    await page.waitForFunction((count) => document.querySelectorAll('.event').length > count, before)
    assert.ok((await events(page).allInnerTexts()).every((text) => text.includes('Anna')), 'the turn by hand before it did not show')
    await page.getByLabel('Person').selectOption('')
    await page.getByLabel('Refused only').check()
    await event(page, 'Anna').first().waitFor({ state: 'detached' })
    assert.ok((await events(page).allInnerTexts()).every((text) => text.includes('Refused')))
    await page.getByLabel('Refused only').uncheck()
    await event(page, 'Anna').first().waitFor()
  },

  async 'a hostile name is shown as text and runs nowhere' () {
    for (const [name, digits] of [[HOSTILE, '968574'], [TURNED, '857469']]) {
      const answer = await fetch(`${PAGE}/v1/locks/${NUKI_ID}/codes`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${OWNER}`, 'Content-Type': 'application/json' },
        body: JSON.stringify({ name, digits })
      })
      assert.equal(answer.status, 201, await answer.text())
      // Whoever held a number is certain from the second on after the list was read: a lock's clock has whole seconds.
      await page.waitForFunction((since) => Math.floor(Date.now() / 1000) > since + 1, Math.floor(Date.now() / 1000))
      await atDoor(`keypad ${digits}`)
      await event(page, name === HOSTILE ? HOSTILE : 'Eve\ufffdgnp.').first().waitFor()
      await atDoor('manual lock')
    }
    await page.getByLabel('Person').selectOption(HOSTILE)
    await event(page, 'Ben').first().waitFor({ state: 'detached' })
    assert.deepEqual(await page.evaluate(() => [window.ran, document.querySelectorAll('img[src=""]').length]), [[], 0])
    await page.getByLabel('Person').selectOption('')
    assert.ok(!(await page.locator('body').innerText()).includes('\u202e'), 'no text turns another one round')
  },

  async 'a lock acts once, after it was confirmed' () {
    await page.locator('.lock .state').filter({ hasText: 'Locked' }).waitFor()
    const before = await executed('unlock')
    await page.locator('.lock').getByRole('button', { name: /^Unlock/ }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('heading', { name: /^Unlock .+\?$/ }).waitFor()
    await accessible(page, 'confirmation')
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await dialog.waitFor({ state: 'hidden' })
    assert.equal(await executed('unlock'), before, 'nothing was asked of the lock')
    await page.locator('.lock').getByRole('button', { name: /^Unlock/ }).click()
    await dialog.getByRole('button', { name: 'Unlock' }).dblclick()
    await page.getByText('Unlock – done').waitFor()
    await page.locator('.lock .state').filter({ hasText: 'Unlocked' }).waitFor()
    assert.equal(await executed('unlock'), before + 1)
    await event(page, 'resident').first().waitFor()
  },

  async 'an answer that is lost is said to be, and asking again does nothing twice' () {
    const before = await executed('lock')
    const keys = []
    await page.route('**/actions', async (route) => {
      keys.push(route.request().headers()['idempotency-key'])
      await route.fetch()
      await (keys.length === 1 ? route.abort('connectionreset') : route.continue())
    })
    await page.locator('.lock').getByRole('button', { name: /^Lock/ }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Lock', exact: true }).click()
    await dialog.getByText('it may have been done or not').waitFor()
    await dialog.getByRole('button', { name: 'Ask what became of it' }).click()
    await page.getByText('Lock – done').waitFor()
    await page.unroute('**/actions')
    assert.deepEqual([keys.length, new Set(keys).size], [2, 1], 'one confirmation, one key')
    assert.equal(await executed('lock'), before + 1)
  },

  async 'with the keyboard alone everything can be reached and done' () {
    await page.reload()
    await page.getByRole('heading', { name: 'Locks' }).waitFor()
    await live(page)
    await page.locator('.lock .state').filter({ hasText: 'Locked' }).waitFor()
    const reached = []
    for (let n = 0; n < 40; n += 1) {
      await page.keyboard.press('Tab')
      reached.push(await page.evaluate(() => {
        const at = document.activeElement
        const ring = getComputedStyle(at)
        return [at.innerText || at.id, at === document.body || (ring.outlineStyle !== 'none' && parseFloat(ring.outlineWidth) >= 2)]
      }))
      if (n === 0) {
        assert.match(reached[0][0], /Skip/)
        await page.keyboard.press('Enter')
        assert.equal(await page.evaluate(() => document.activeElement.id), 'main')
        await page.keyboard.press('Shift+Tab')
      }
      if (/^Unlock/.test(reached.at(-1)[0])) break
    }
    assert.match(reached.at(-1)[0], /^Unlock/, JSON.stringify(reached))
    assert.ok(reached.every(([, isSeen]) => isSeen), `the focus can always be seen: ${JSON.stringify(reached)}`)
    const before = await executed('unlock')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    assert.match(await page.evaluate(() => document.activeElement.innerText), /^Unlock/, 'the focus is where it was')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByText('Unlock – done').waitFor()
    assert.equal(await executed('unlock'), before + 1)
    await page.locator('.lock .state').filter({ hasText: 'Unlocked' }).waitFor()
    assert.match(await page.evaluate(() => document.activeElement.innerText), /^Unlock/, 'and still is')
  },

  async 'the chart says the same in a table' () {
    await page.locator('.bars').first().waitFor()
    const summary = page.locator('.chart summary').first()
    await summary.focus()
    await page.keyboard.press('Enter')
    const sum = await page.locator('.chart table').first().locator('tbody tr').evaluateAll((rows) =>
      rows.reduce((total, row) => total + Number(row.cells[1].innerText), 0))
    assert.ok(sum >= 4, `opened ${sum} times`)
    await page.keyboard.press('Enter')
  },

  async 'the house can be used by everybody, in both schemes and on every screen' () {
    await accessible(page, 'house')
  },

  async 'trouble is said in words that everybody can read' () {
    for (const path of ['/v1/locks', '/v1/health', '/v1/history', '/v1/history/counts']) {
      await page.route((url) => url.pathname === path, (route) => route.fulfill({ json: trouble(path) }))
    }
    await page.reload()
    for (const text of ['No lock can be heard', 'Motor blocked', 'Keypad battery low', 'No security PIN was given', 'Opens at the next ring', 'not allowed now']) {
      await page.getByText(text).first().waitFor()
    }
    await accessible(page, 'trouble')
    await page.unrouteAll()
    await page.reload()
    await live(page)
    await event(page, 'Anna').first().waitFor()
  },

  async 'a lost connection is said, and what happened meanwhile comes once' () {
    await live(page)
    const before = await event(page, 'Ben').count()
    await context.setOffline(true)
    await page.locator('#link-state[data-state=lost]').waitFor({ timeout: 60_000 })
    await atDoor('manual lock')
    await atDoor(`keypad ${BEN}`)
    await context.setOffline(false)
    await live(page)
    await page.waitForFunction((count) => [...document.querySelectorAll('.event')].filter((it) => it.innerText.includes('Ben')).length > count, before)
    assert.equal(await event(page, 'Ben').count(), before + 1)
    const ids = await events(page).evaluateAll((list) => list.map((it) => it.dataset.id))
    assert.equal(new Set(ids).size, ids.length)
  },

  async 'over TLS the cookie never leaves it' () {
    const [encrypted, its] = await open({ ignoreHTTPSErrors: true })
    await logIn(encrypted, WATCHER, PAGE_TLS)
    await live(encrypted)
    await event(encrypted, 'Anna').first().waitFor()
    const cookies = await its.cookies()
    assert.deepEqual(cookies.map(({ name, secure, httpOnly, sameSite, path }) => [name, secure, httpOnly, sameSite, path]),
      [['__Host-keyturner', true, true, 'Strict', '/']])
    // The same host in clear.
    await encrypted.goto(PAGE.replace('127.0.0.1', 'localhost'))
    await encrypted.getByRole('heading', { name: 'Log in' }).waitFor()
    await its.close()
  },

  async 'a token that may only look gets no buttons' () {
    const [watching, its] = await open()
    await logIn(watching, WATCHER)
    await event(watching, 'Anna').first().waitFor()
    assert.equal(await watching.locator('.actions').count(), 0)
    await its.close()
  },

  async 'what a token does not show is named' () {
    const [reading, its] = await open()
    await reading.goto(PAGE)
    await reading.getByLabel('Token', { exact: true }).fill(READER)
    await reading.keyboard.press('Enter')
    await reading.getByText('does not show the locks (scope read)').waitFor()
    await live(reading)
    await event(reading, 'Anna').first().waitFor()
    assert.equal(await reading.locator('.lock').count(), 0)
    await its.close()
  },

  async 'a token that is revoked shuts the page by itself' () {
    const [watching, its] = await open()
    await logIn(watching, WATCHER)
    await live(watching)
    execFileSync(KEYTURNER, ['token', 'revoke', 'watcher', '--data', DATA], { stdio: ['ignore', 'ignore', 'inherit'] })
    await watching.getByRole('heading', { name: 'Log in' }).waitFor({ timeout: 40_000 })
    assert.equal(await events(watching).count(), 0, 'nothing of the house is left')
    await its.close()
  },

  async 'logging out ends the session for good' () {
    const [cookie] = await context.cookies()
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.getByRole('heading', { name: 'Log in' }).waitFor()
    assert.deepEqual(await context.cookies(), [])
    assert.equal(await events(page).count(), 0)
    const stolen = await fetch(`${PAGE}/v1/history`, { headers: { Cookie: `${cookie.name}=${cookie.value}` } })
    assert.equal(stolen.status, 401)
    await logIn(page, RESIDENT)
    await live(page)
    await page.getByLabel('Person').selectOption('Ben')
    await event(page, 'Anna').first().waitFor({ state: 'detached' })
    await event(page, 'Ben').first().waitFor()
  }
}

try {
  for (const [name, check] of Object.entries(checks)) {
    await check()
    assert.deepEqual(troubles, [], name)
    console.log(`  - ${name}`)
  }
} catch (error) {
  await page.screenshot({ path: `${SHOTS}/failed.png`, fullPage: true })
  console.error(troubles)
  throw error
} finally {
  await browser.close()
}
