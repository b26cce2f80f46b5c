#!/bin/sh
# alarm.sh COMMAND [ARGUMENT...]: runs COMMAND each time a resident has opened the door, for nobody and nothing else.
# It finds the event in EVENT, as JSON. Needs jq, and has to be root or the gateway's user. To try it:
#
#     sudo RESIDENTS='code:1 auth:2' ./alarm.sh echo 'alarm off'
#
# `keyturner users` lists the numbers of people. As a service: `Restart=always` in a unit of its own.
set -eu
: "${RESIDENTS:?such as "code:1 auth:2"}" "${1:?a command to run}"
data=${STATE_DIRECTORY:-/var/lib/keyturner}

# Of one event its code or authorization, if somebody known has just opened the door; else nothing. A code counts by its
# own number alone: all codes share the keypad's authorization. Actions: 1 unlock, 3 unlatch; not lock 'n' go, by which
# people leave. What a client asked for is nobody's, and what is older than a minute is over.
who='
  select(.attribution == "matched" and .refused == false and .backfilled == false and .client == null)
  | select(.kind == "lock_action" or .kind == "keypad_action")
  | select(.action == 1 or .action == 3)
  | select((now - (.date | sub("\\.[0-9]+"; "") | fromdate)) | fabs < 60)
  | if .codeId then "code:\(.codeId)" else "auth:\(.authId)" end'

keyturner history --data "$data" --follow --json | while IFS= read -r EVENT; do
  person=$(printf '%s\n' "$EVENT" | jq -r "$who")
  [ -n "$person" ] || continue
  case " $RESIDENTS " in
    *" $person "*) export EVENT; "$@" < /dev/null || echo "alarm.sh: $1 failed" >&2 ;;
  esac
done
