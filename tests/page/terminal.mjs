// Draws what programs have said to a terminal: terminal.mjs SAID.json DIRECTORY
import { readFile } from 'node:fs/promises'

import { launch } from './browser.mjs'

const [said, pictures] = process.argv.slice(2)
const COLOURS = { 31: '#ff7b72', 32: '#7ee787', 33: '#e3b341', 34: '#79c0ff', 35: '#d2a8ff', 36: '#76e3ea', 90: '#8b949e', 91: '#ffa198', 92: '#aff5b4', 93: '#f2cc60' }

/** Text with colours as runs of one style each. */
function runs (text) {
  const list = []
  let style = {}
  for (const part of text.replaceAll('\r', '').split(/(\x1b\[[0-9;]*[A-Za-z])/)) {
    const escape = /^\x1b\[([0-9;]*)m$/.exec(part)
    if (escape === null) {
      if (!part.startsWith('\x1b') && part !== '') list.push({ text: part, ...style })
      continue
    }
    for (const code of escape[1].split(';').map(Number)) {
      if (code === 0) style = {}
      else if (code === 1) style = { ...style, weight: 700 }
      else if (code === 2) style = { ...style, color: COLOURS[90] }
      else if (COLOURS[code] !== undefined) style = { ...style, color: COLOURS[code] }
    }
  }
  return list
}

const browser = await launch()
const page = await browser.newPage({ viewport: { width: 1000, height: 300 }, deviceScaleFactor: 1.5 })
await page.setContent('<body style="margin:0;display:inline-block;background:#0d1117"><pre style="margin:0;padding:18px 22px;font:14px/1.45 monospace;color:#e6edf3"></pre></body>')
for (const { name, typed, said: text } of JSON.parse(await readFile(said, 'utf8'))) {
  await page.evaluate((parts) => {
    document.querySelector('pre').replaceChildren(...parts.map(({ text, color, weight }) => {
      const span = document.createElement('span')
      span.textContent = text
      Object.assign(span.style, { color: color ?? '', fontWeight: weight ?? '' })
      return span
    }))
  }, [{ text: '$ ', color: '#8b949e' }, { text: `${typed}\n`, weight: 700 }, ...runs(text.trimEnd())])
  await page.locator('pre').screenshot({ path: `${pictures}/${name}.png` })
}
await browser.close()
