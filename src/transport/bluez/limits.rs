//! How long we wait for what, and how much we hold. BlueZ's own limits are no
//! use to us: 40 s for a connection, and the D-Bus library waits 120 s for any answer.

use std::time::Duration;

/// A question that bluetoothd answers from memory. It takes a millisecond, on
/// a Pi that is swapping perhaps a second; beyond this bluetoothd hangs.
pub(crate) const CALL: Duration = Duration::from_secs(5);

/// Switching an adapter on: USB dongles load firmware meanwhile.
pub(super) const POWER_ON: Duration = Duration::from_secs(10);

/// An adapter on which listening did not begin comes after the others for so long.
pub(super) const SHUN: Duration = Duration::from_secs(10 * 60);

/// A preferred adapter that is there and on for so long is taken again: a plug that wobbles is not.
pub(super) const BETTER_FOR: Duration = Duration::from_secs(30);

/// Starting discovery, which waits for the controller.
pub(super) const START_SCAN: Duration = Duration::from_secs(10);

/// `Device1.Connect`. A lock that is in range advertises about once a second
/// and answers in one to three. Where another program keeps discovery on, the kernel may need a
/// whole scan of 10.24 s more to notice it. After this the lock is not there,
/// and the adapter cannot call any other meanwhile.
pub(super) const CONNECT: Duration = Duration::from_secs(15);

/// A moment for the controller to finish what made the first attempt fail; other gateways use the same.
pub(super) const BEFORE_SECOND_ATTEMPT: Duration = Duration::from_millis(500);

/// How long a device that BlueZ does not know may take to be heard: several
/// advertisements at the slowest setting.
pub(super) const FIRST_HEARD: Duration = Duration::from_secs(10);

/// Service discovery of a device that BlueZ has not cached: about a hundred
/// round trips, 2 to 5 s at the usual connection intervals.
pub(super) const SERVICES: Duration = Duration::from_secs(15);

/// Writing one client configuration: one round trip; longer when the link must be retried.
pub(super) const SUBSCRIBE: Duration = Duration::from_secs(5);

/// Writing one message with response. A long write at the smallest MTU is ten
/// round trips, one second at the slowest connection interval.
pub(super) const WRITE: Duration = Duration::from_secs(5);

/// `Device1.Disconnect`: BlueZ waits 2 s by itself before it drops the link.
pub(crate) const DISCONNECT: Duration = Duration::from_secs(6);

/// Waiting for the end of an earlier link to the same device: its disconnect, and some more.
pub(super) const EARLIER_LINK: Duration = Duration::from_secs(8);

/// Waiting for another device's connection attempt, which may be tried twice, and its cancellation.
pub(super) const OTHER_ATTEMPT: Duration = Duration::from_secs(45);

/// How long discovery may take to stop before a connection attempt that needs silence.
pub(super) const SILENCE: Duration = Duration::from_secs(3);

/// How often bluer is asked whether discovery has stopped. It answers from its own
/// memory, BlueZ hears nothing of it, and somebody may be waiting at the door.
pub(super) const SILENCE_CHECK: Duration = Duration::from_millis(2);

/// How long discovery stays off once a link is made: an action has been accepted by then, or what was asked of
/// the log come, at the 50 ms between two events that Linux chooses. Meanwhile other locks are not heard.
pub(super) const SILENT_LINK: Duration = Duration::from_millis(300);

/// How often a quiet link or scan is checked. A bluetoothd that was killed
/// says no goodbye: neither a stream's end nor a signal tells.
pub(crate) const LIVENESS: Duration = Duration::from_secs(3);

/// Discovery is started anew after this, a moment before it would pause: Linux scans for 10.24 s, then bluetoothd waits
/// 5 s, in which a beacon that changes is not heard (docs/bluez.md). It also wakes kernels that stopped without a
/// word (bluez issues 510, 1554).
pub(super) const RENEW_SCAN: Duration = Duration::from_secs(10);

/// How long a reader of indications may leave the queue full. Longer means
/// that it is stuck, and what the lock says next would be lost.
pub(super) const STALLED_READER: Duration = Duration::from_secs(5);

/// Indications between us and the reader: a whole log of 20-byte pieces while the disk is busy.
pub(super) const INDICATION_QUEUE: usize = 512;

/// Sightings between us and the reader. Small, because newer ones replace
/// older ones of the same device before they enter it.
pub(super) const SIGHTING_QUEUE: usize = 32;

/// Devices that are followed. A house has a handful; anyone can pretend to be more.
pub(super) const TRACKED: usize = 64;
