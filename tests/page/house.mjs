// A house for pictures: what /v1 would answer on one evening. Nothing in here is random, so pictures of it are alike.

/** Thursday evening, Europe/Berlin. */
export const NOW = new Date('2026-11-26T18:42:00+01:00')

const FRONT = 0x1C3F8A21
const GARDEN = 0x0B77D410
const STREET = 0x2A90E6B3

const ago = (minutes, seconds = 0) => new Date(NOW - (minutes * 60 + seconds) * 1000).toISOString()

const locks = [
  {
    nukiId: FRONT, name: 'Front door', deviceType: 4,
    lastKnownState: {
      date: ago(11), mode: 2, state: 1, stateName: 'locked', batteryCritical: false, batteryCharging: false, batteryChargeState: 84,
      keypadBatteryCritical: false, doorsensorState: 2, doorsensorStateName: 'door closed'
    },
    actions: ['unlock', 'lock', 'unlatch', 'lock_n_go', 'lock_n_go_unlatch']
  },
  {
    nukiId: GARDEN, name: 'Garden door', deviceType: 0,
    lastKnownState: {
      date: ago(24), mode: 2, state: 3, stateName: 'unlocked', batteryCritical: true, batteryCharging: false, batteryChargeState: 12,
      doorsensorState: 3, doorsensorStateName: 'door opened'
    },
    actions: ['unlock', 'lock', 'unlatch', 'lock_n_go', 'lock_n_go_unlatch']
  },
  {
    nukiId: STREET, name: 'Street entrance', deviceType: 2, ringDate: ago(37),
    lastKnownState: { date: ago(37), mode: 2, state: 1, stateName: 'online', batteryCritical: false },
    actions: ['activate_ring_to_open', 'deactivate_ring_to_open', 'open', 'activate_continuous_mode', 'deactivate_continuous_mode']
  }
]

const health = {
  status: 'ok',
  radio: { isListening: true, adapter: 'hci0' },
  locks: [
    { nukiId: FRONT, attention: [], lastContact: ago(0, 4), rssi: -58 },
    { nukiId: GARDEN, attention: [], lastContact: ago(0, 11), rssi: -77 },
    { nukiId: STREET, attention: [], lastContact: ago(1, 8), rssi: -69 }
  ]
}

const at = (lock, minutes, more) => ({ nukiId: lock, deviceType: lock === STREET ? 2 : 4, date: ago(minutes), attribution: 'matched', kind: 'lock_action', state: 0, completionStatus: 'success', refused: false, backfilled: false, autoUnlock: false, name: '', ...more })
const code = { kind: 'keypad_action', method: 'code', trigger: 255, source: 1 }
const refused = { refused: true, state: 224, completionStatus: 'invalid_code', attribution: 'nobody' }
const byHand = { method: 'manual', trigger: 1, attribution: 'nobody' }
const alone = { method: 'auto_lock', trigger: 6, attribution: 'nobody', action: 2 }
const app = { method: 'app', trigger: 0 }
const door = { kind: 'door', method: 'door_sensor', attribution: 'nobody' }

const list = [
  at(FRONT, 11, { ...alone }),
  at(FRONT, 14, { ...code, method: 'fingerprint', source: 2, name: 'Clara', codeId: 3, codeName: 'Clara', action: 3 }),
  at(GARDEN, 24, { ...door, action: 240 }),
  at(GARDEN, 25, { ...byHand, action: 1 }),
  at(STREET, 37, { kind: 'ring', method: 'manual', attribution: 'nobody', action: 224 }),
  at(FRONT, 52, { ...app, name: 'Ben', action: 1, autoUnlock: true }),
  at(FRONT, 118, { ...code, ...refused, action: 1 }),
  at(FRONT, 119, { ...code, ...refused, action: 1 }),
  at(FRONT, 171, { method: 'bridge', name: 'Keyturner', client: 'home-assistant', action: 2 }),
  at(FRONT, 204, { ...code, name: 'Cleaner', codeId: 6, codeName: 'Cleaner', action: 1 }),
  at(FRONT, 372, { ...code, ...refused, completionStatus: 'rejected', state: 9, name: 'Dog walker', codeId: 7, codeName: 'Dog walker', attribution: 'matched', action: 1 }),
  at(FRONT, 615, { ...byHand, action: 2 }),
  at(FRONT, 634, { method: 'fob', name: 'Grandma Ilse', action: 1, presses: 1 }),
  at(FRONT, 655, { ...app, name: 'Anna', action: 2 }),
  at(FRONT, 1198, { ...alone }),
  at(FRONT, 1201, { ...code, name: 'Anna', codeId: 1, codeName: 'Anna', action: 3 }),
  at(GARDEN, 1322, { kind: 'state_change', method: 'unknown', attribution: 'unknown', reason: 'entry_missing' }),
  at(STREET, 1391, { method: 'app', name: 'Anna', action: 3 }),
  at(FRONT, 1447, { ...code, method: 'fingerprint', source: 2, name: 'Clara', codeId: 3, codeName: 'Clara', action: 3 }),
  at(FRONT, 1502, { ...app, name: 'Ben', action: 1 })
]
const events = list.map((entry, index) => ({ id: String(1874 - index), ...entry }))

const people = ['Anna', 'Ben', 'Clara', 'Cleaner', 'Dog walker', 'Grandma Ilse']
const users = people.map((name, index) => ({ nukiId: FRONT, authId: index + 1, name, enabled: true, validFrom: ago(90_000) }))

/** How many movements an hour of a working day and of a free day usually has. */
const WORK = [0, 0, 0, 0, 0, 0, 1, 5, 4, 1, 1, 1, 2, 4, 2, 2, 3, 4, 5, 3, 2, 1, 1, 0]
const FREE = [0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 4, 4, 3, 2, 2, 3, 4, 3, 2, 2, 1, 1, 1, 1]

function counts () {
  const hours = []
  for (let day = 27; day >= 0; day -= 1) {
    for (let hour = 0; hour < 24; hour += 1) {
      const begin = new Date(NOW)
      begin.setUTCDate(begin.getUTCDate() - day)
      begin.setUTCHours(hour - 1, 0, 0, 0)
      if (begin > NOW) continue
      const isFree = [0, 6].includes(begin.getUTCDay())
      // At night nobody moves.
      const usual = hour < 6 ? -3 : (isFree ? FREE : WORK)[hour]
      // Some days are busier than others.
      const moved = Math.max(0, usual + [0, 1, -1, 0, -2, 1, 0][(day * 3 + hour) % 7] - (begin.getUTCDay() === 3 ? 1 : 0) - (begin.getUTCDay() === 0 ? 1 : 0))
      const locked = Math.floor((moved * (hour % 3 === 0 ? 2 : 3)) / 6)
      if (moved > 0) hours.push({ hour: begin.toISOString(), opened: moved - locked, locked })
    }
  }
  return hours
}

const session = { name: 'kitchen-tablet', scopes: ['read', 'lock', 'unlock', 'history'], ends: ago(-43_200) }

/** What /v1 answers to a GET of this path; `undefined` where it has nothing. */
export function answer (path, query) {
  switch (path) {
    case '/v1/session': return session
    case '/v1/locks': return { locks }
    case '/v1/health': return health
    case '/v1/users': return { users }
    case '/v1/history/counts': return { from: ago(40_000), to: NOW.toISOString(), counts: counts() }
    case '/v1/history': {
      const [user, isRefused] = [query.get('user'), query.get('refused')]
      const fitting = events.filter((entry) => (user === null || entry.name === user) && (isRefused === null || entry.refused))
      return { events: fitting, next: 'older' }
    }
    default: return undefined
  }
}
