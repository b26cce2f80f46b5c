//! Small fields of messages: what each bit and each length says, and what is no value at all.

use keyturner::protocol::Command;
use keyturner::protocol::beacon::Advertisement;
use keyturner::protocol::crypto::Pin;
use keyturner::protocol::datetime::DeviceTime;
use keyturner::protocol::frame::Message;
use keyturner::protocol::gatt::Generation;
use keyturner::protocol::request::PinCommand;
use keyturner::protocol::state::AccessoryBattery;
use keyturner::protocol::users::CodeDigits;

#[test]
fn an_accessory_that_is_not_there_has_no_battery() {
    // byte -> (keypad critical, door sensor critical)
    let cases = [
        (0b0000, None, None),
        (0b1010, None, None),
        (0b0001, Some(false), None),
        (0b0011, Some(true), None),
        (0b0100, None, Some(false)),
        (0b1100, None, Some(true)),
        (0b1111, Some(true), Some(true)),
    ];
    for (byte, keypad, door_sensor) in cases {
        let battery = AccessoryBattery(byte);
        assert_eq!((battery.keypad_critical(), battery.door_sensor_critical()), (keypad, door_sensor), "{byte:#b}");
    }
}

#[test]
fn fields_that_name_no_moment_are_no_time() {
    let good = DeviceTime { year: 2026, month: 2, day: 28, hour: 23, minute: 59, second: 59 };
    assert!(good.is_valid());
    let bad = [
        DeviceTime { month: 0, ..good },
        DeviceTime { month: 13, ..good },
        DeviceTime { day: 0, ..good },
        DeviceTime { day: 29, ..good },
        DeviceTime { hour: 24, ..good },
        DeviceTime { minute: 60, ..good },
        DeviceTime { second: 60, ..good },
    ];
    for time in bad {
        assert_eq!((time.is_valid(), time.unix_seconds()), (false, None), "{time:?}");
    }
    assert!(DeviceTime { year: 2028, day: 29, ..good }.is_valid(), "a leap year");
}

#[test]
fn a_code_is_six_digits_from_1_to_9_that_do_not_begin_with_12() {
    for text in ["583921", "129999", "583021", "58392", "5839211", "+58392", "58392x", "", "\u{0663}58392", " 58392"] {
        assert_eq!(CodeDigits::parse(text).is_some(), text == "583921", "{text:?}");
    }
}

#[test]
fn a_command_of_another_length_is_none() {
    let nonce = [9; 32];
    let pin = Pin::new(1234);
    let time = DeviceTime { year: 2026, month: 11, day: 23, hour: 14, minute: 0, second: 0 };
    let commands = [
        PinCommand::VerifySecurityPin,
        PinCommand::RequestKeypadCodes(0, 25),
        PinCommand::UpdateTime(time),
        PinCommand::RemoveAuthorizationEntry(7),
    ];
    for generation in [Generation::Gen1To4, Generation::Gen5] {
        for command in &commands {
            let message = command.encode(&nonce, pin, generation);
            assert_eq!(PinCommand::decode(&message, generation), Some((*command, nonce, pin)), "{command:?}");
            let longer = [&[0], message.payload.as_slice()].concat();
            for payload in [&longer, &message.payload[1..]] {
                let odd = Message::new(message.command, payload);
                assert_eq!(PinCommand::decode(&odd, generation), None, "{command:?}, {} bytes", payload.len());
            }
        }
        let none = Message::new(Command::LockAction, [0; 60]);
        assert_eq!(PinCommand::decode(&none, generation), None);
    }
}

#[test]
fn service_data_without_room_for_its_service_is_nobodys() {
    // length, type "service data with a 128-bit UUID", then less than a UUID
    for length in 0..16_u8 {
        let mut data = vec![length + 1, 0x21];
        data.extend(vec![0xFE; usize::from(length)]);
        assert_eq!(Advertisement::parse(&data), None, "{length}");
    }
}
