// A headless Chromium that asks nobody outside for anything.
import { chromium } from 'playwright-core'

const QUIET = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--font-render-hinting=none']

export function launch () {
  // Root, as in containers, has no sandbox of its own.
  const args = process.getuid?.() === 0 ? [...QUIET, '--no-sandbox'] : QUIET
  return chromium.launch({ executablePath: process.env.PAGE_BROWSER, args })
}

export const PHONE = { width: 390, height: 844 }
export const SMALL_PHONE = { width: 360, height: 640 }
export const DESKTOP = { width: 1280, height: 900 }
