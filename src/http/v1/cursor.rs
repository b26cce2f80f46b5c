//! Cursors: where the next page of a history begins, as a text that means nothing to a client (docs/adr/0015).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::clock::UnixMillis;
use crate::store::{Order, PageKey};

const VERSION: u8 = 1;
/// Version, order, time and number.
const PLACE: usize = 18;
/// Enough to notice what was damaged, cut or made up; it protects no secret.
const CHECK: usize = 8;

/// The cursor of a place in the pages of one wish, given in its canonical form.
pub(super) fn encode(order: Order, key: PageKey, wish: &str) -> String {
    let mut bytes = Vec::with_capacity(PLACE + CHECK);
    bytes.extend([VERSION, order_byte(order)]);
    bytes.extend(key.at.0.to_be_bytes());
    bytes.extend(key.id.to_be_bytes());
    let check = check(&bytes, wish);
    bytes.extend(check);
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The place that a cursor stands for.
///
/// # Errors
/// It is none of ours, or was made for another wish.
pub(super) fn decode(text: &str, order: Order, wish: &str) -> Result<PageKey, Problem> {
    let refused = |message| {
        Problem::parameter(
            "cursor",
            message,
            "take it from next of the page before and change nothing else but limit; leave it out for the first page",
        )
    };
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| refused("it is no cursor"))?;
    let bytes: [u8; PLACE + CHECK] = bytes.try_into().map_err(|_| refused("it is no cursor"))?;
    let (place, sum) = bytes.split_at(PLACE);
    let [version, by, at @ .., _, _, _, _, _, _, _, _] = place else { return Err(refused("it is no cursor")) };
    let id = place.last_chunk().copied().map(i64::from_be_bytes);
    let at = <[u8; 8]>::try_from(at).ok().map(i64::from_be_bytes);
    let (Some(at), Some(id)) = (at, id) else { return Err(refused("it is no cursor")) };
    if *version != VERSION {
        return Err(refused("it is no cursor of this version"));
    }
    if *by != order_byte(order) || sum != check(place, wish) {
        return Err(refused("it belongs to other filters, or was changed"));
    }
    Ok(PageKey { at: UnixMillis(at), id })
}

const fn order_byte(order: Order) -> u8 {
    match order {
        Order::Number => 0,
        Order::Time => 1,
    }
}

fn check(place: &[u8], wish: &str) -> [u8; CHECK] {
    let digest = Sha256::new().chain_update(place).chain_update(wish).finalize();
    let mut check = [0; CHECK];
    check.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    check
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back_for_its_own_wish_alone(at: i64, id: i64, by_time: bool, wish: String, other: String) {
            let order = if by_time { Order::Time } else { Order::Number };
            let key = PageKey { at: UnixMillis(at), id };
            let text = encode(order, key, &wish);
            prop_assert_eq!(decode(&text, order, &wish), Ok(key));
            prop_assert!(wish == other || decode(&text, order, &other).is_err());
            let other_order = if by_time { Order::Number } else { Order::Time };
            prop_assert!(decode(&text, other_order, &wish).is_err());
        }

        #[test]
        fn a_cursor_that_was_changed_is_refused(at: i64, id: i64, position in 0_usize..35, letter in "[A-Za-z0-9_-]") {
            let text = encode(Order::Number, PageKey { at: UnixMillis(at), id }, "wish");
            let mut changed = text.clone();
            changed.replace_range(position..=position, &letter);
            prop_assert!(changed == text || decode(&changed, Order::Number, "wish").is_err());
        }

        #[test]
        fn no_text_is_taken_for_a_cursor_or_stops_us(text: String) {
            prop_assert!(decode(&text, Order::Number, "wish").is_err());
        }
    }
}
