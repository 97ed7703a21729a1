//! Sessions under random frames, parcels and time: nothing panics, nothing spins, every bound holds, and the same input
//! gives the same session.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use smppgate::pdu::{CommandId, CommandStatus};
use smppgate::session::{BindMode, Control, Event, Role, Settings};

use super::rig::{Rig, pdu};

#[derive(Clone, Debug)]
enum Step {
    Feed(Vec<(CommandId, u32, u32, usize)>),
    Send(Vec<CommandId>),
    Answer(u32),
    Control(Control),
    Pass(u64),
    Unbind,
}

fn command() -> impl Strategy<Value = CommandId> {
    prop_oneof![
        8 => prop::sample::select(CommandId::KNOWN),
        1 => any::<u32>().prop_map(CommandId),
        3 => Just(CommandId::SUBMIT_SM),
        3 => Just(CommandId::DELIVER_SM),
        3 => Just(CommandId::SUBMIT_SM_RESP),
        3 => Just(CommandId::DELIVER_SM_RESP),
    ]
}

fn frame() -> impl Strategy<Value = (CommandId, u32, u32, usize)> {
    (command(), 0..3u32, prop_oneof![9 => 0..24u32, 1 => any::<u32>()], 0..5usize)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec(frame(), 1..6).prop_map(Step::Feed),
        4 => prop::collection::vec(command(), 1..5).prop_map(Step::Send),
        3 => (0..4u32).prop_map(Step::Answer),
        1 => prop::sample::select(vec![
            Control::Bound(BindMode::Transmitter),
            Control::Bound(BindMode::Transceiver),
            Control::Unbind,
        ])
        .prop_map(Step::Control),
        3 => (0..40_000u64).prop_map(Step::Pass),
        1 => Just(Step::Unbind),
    ]
}

/// Everything that came out, in order.
type Trace = Vec<(Vec<u8>, Vec<Event>)>;

fn run(role: Role, mode: BindMode, steps: &[Step]) -> Trace {
    let settings =
        Settings { window: 3, send_window: 4, inactivity: Some(Duration::from_secs(100)), ..Settings::default() };
    let mut rig = Rig::bound(role, mode, settings);
    let mut trace = Trace::new();
    for step in steps {
        let out = match step {
            Step::Feed(frames) => {
                let octets: Vec<u8> = frames
                    .iter()
                    .flat_map(|(id, status, sequence, body)| {
                        pdu(*id, CommandStatus(*status), *sequence, &[7; 4][..*body.min(&4)])
                    })
                    .collect();
                let out = rig.feed(&octets);
                assert!(out.0.len() <= octets.len() + 16, "a flood is not amplified");
                assert!(out.1.len() <= frames.len(), "an event per frame at most");
                out
            }
            Step::Send(commands) => (rig.send(commands), Vec::new()),
            Step::Answer(count) => (rig.answer(*count), Vec::new()),
            Step::Control(control) => (rig.control(*control), Vec::new()),
            Step::Pass(ms) => rig.pass(Duration::from_millis(*ms)),
            Step::Unbind => (rig.unbind(), Vec::new()),
        };
        assert!(rig.session.open_sent() <= 4 && rig.session.open_received() <= 6);
        assert!(rig.session.closing().is_none() || rig.session.deadline().is_none());
        trace.push(out);
    }
    trace.push((Vec::new(), rig.finish()));
    trace
}

fn mode() -> impl Strategy<Value = BindMode> {
    prop::sample::select(vec![BindMode::Transmitter, BindMode::Receiver, BindMode::Transceiver])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_request_handed_over_comes_back_once(
        role in prop::sample::select(vec![Role::Smsc, Role::Esme]),
        mode in mode(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let trace = run(role, mode, &steps);
        prop_assert_eq!(&trace, &run(role, mode, &steps), "the same input, the same session");
        let handed: u64 = steps.iter().map(|step| if let Step::Send(list) = step { list.len() as u64 } else { 0 }).sum();
        let mut ended: BTreeMap<u64, u32> = BTreeMap::new();
        for event in trace.iter().flat_map(|(_, events)| events) {
            if let Event::Response { token, .. } | Event::Unanswered { token } = event {
                *ended.entry(*token).or_default() += 1;
            }
        }
        prop_assert!(ended.values().all(|times| *times == 1), "{ended:?}");
        prop_assert_eq!(ended.len() as u64, handed);
    }
}
