//! Who is let in, and what it costs to guess.

use std::time::Duration;

use smppgate::audit::folder::Folder;
use smppgate::audit::{Activity, Recorder, Settings, reading};
use smppgate::clock::Clock;
use smppgate::message::AccountId;
use smppgate::net::{Roster, Which};
use smppgate::pdu::{CommandId, CommandStatus};
use smppgate::policy::{AllowFrom, Credentials, Decoy, Password, Policy};
use smppgate::session::{Control, Parcel, Role};
use tokio::time::Instant;

use crate::desk::{Desk, Known, sequences};
use crate::peer::{bind, pdu, request};

const RESP: CommandId = CommandId::BIND_TRANSCEIVER_RESP;

/// argon2id of "secret" at the least cost.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$fIbdC2xakJ6cNlONBQKde0ZQtJof49m9l+7mj3O30mA";

fn binds(desk: &Desk) -> Vec<(&'static str, u64)> {
    desk.rim.tally().totals(Role::Smsc).binds
}

fn hashed(policy: &mut Policy) {
    policy.accounts[0].credentials = Credentials::Argon2(Box::new(HASH.parse().unwrap()));
    policy.decoy = Decoy::of(policy.accounts.iter().map(|account| &account.credentials));
}

#[tokio::test(start_paused = true)]
async fn a_bind_is_accepted_and_requests_flow() {
    let mut desk = Desk::new();
    let (mut peer, known) = desk.bound().await;
    peer.echo(2).await;
    peer.send(&request(CommandId::SUBMIT_SM, 3, b"body of three")).await;
    let (chunk, events) = desk.batch(&known).await;
    assert_eq!(sequences(&events), [3]);
    let smppgate::session::Event::Request { body, .. } = events[0] else { panic!("no request") };
    assert_eq!(&chunk[body.at as usize..][..body.len as usize], b"body of three");
    known.answer(CommandId::SUBMIT_SM, [3]).await;
    peer.expect(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, 3).await;
    assert_eq!(binds(&desk), [("ok", 1)]);
}

#[tokio::test(start_paused = true)]
async fn wrong_passwords_unknown_names_and_foreign_addresses_look_alike() {
    let foreign = |policy: &mut Policy| policy.accounts[0].allow_from = AllowFrom::only(["198.51.100.0/24"]).unwrap();
    for change in [(|_: &mut Policy| {}) as fn(&mut Policy), hashed, foreign] {
        let mut desk = Desk::with(16, change);
        for (name, password) in [("acme", "Secret"), ("nobody", "secret"), ("", "")] {
            let started = Instant::now();
            let mut peer = desk.connect();
            peer.send(&bind(name, password, 7)).await;
            let body = peer.expect(RESP, CommandStatus::ESME_RINVPASWD, 7).await;
            assert_eq!((body.len(), started.elapsed()), (0, Duration::ZERO));
            peer.expect_end().await;
        }
        desk.quiet(Duration::from_secs(60)).await;
        assert_eq!((desk.closes("bind_refused"), desk.crowd.links()), (3, 0));
    }
    let mut desk = Desk::with(16, foreign);
    let mut peer = desk.connect();
    peer.send(&bind("acme", "secret", 7)).await;
    peer.expect(RESP, CommandStatus::ESME_RINVPASWD, 7).await;
    desk.quiet(Duration::from_secs(60)).await;
    assert_eq!(binds(&desk), [("address", 1)]);
    let mut peer = desk.connect_from([198, 51, 100, 7].into());
    peer.send(&bind("acme", "secret", 7)).await;
    desk.opened().await;
}

#[tokio::test(start_paused = true)]
async fn guessing_again_waits_and_then_is_turned_away() {
    let mut desk = Desk::new();
    let mut waits = Vec::new();
    for _ in 0..4 {
        let started = Instant::now();
        let mut peer = desk.connect();
        peer.send(&bind("acme", "guess", 1)).await;
        let status = peer.receive().await.unwrap().0.status;
        waits.push((started.elapsed().as_millis(), status));
    }
    // The fourth would have to wait for 4 s, longer than half the time for a bind.
    let bad = CommandStatus::ESME_RINVPASWD;
    assert_eq!(waits, [(0, bad), (1000, bad), (2000, bad), (2500, CommandStatus::ESME_RBINDFAIL)]);
    assert_eq!(binds(&desk), [("credentials", 3), ("too_soon", 1)]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut peer = desk.connect();
    peer.send(&bind("acme", "secret", 1)).await;
    desk.opened().await;
}

#[tokio::test(start_paused = true)]
async fn a_hash_is_checked_and_a_new_configuration_forgets_what_was_right() {
    let mut desk = Desk::with(16, hashed);
    for _ in 0..3 {
        let (peer, known) = desk.bound().await;
        drop(peer);
        desk.closed(&known).await;
    }
    let mut policy = (*smppgate::config::Config::sandbox().policy).clone();
    let other = smppgate::policy::Password::new(b"changed").unwrap();
    policy.accounts[0].credentials = Credentials::Plain(other);
    policy.decoy = Decoy::of(policy.accounts.iter().map(|account| &account.credentials));
    desk.entrance.replace(smppgate::net::Directory::new(policy.into(), [AccountId(41)].into()));
    let mut peer = desk.connect();
    peer.send(&bind("acme", "secret", 1)).await;
    peer.expect(RESP, CommandStatus::ESME_RINVPASWD, 1).await;
}

#[tokio::test(start_paused = true)]
async fn either_password_opens_while_one_replaces_the_other() {
    let either = |policy: &mut Policy| {
        let plain = Credentials::Plain(Password::new(b"old").unwrap());
        let hash = Credentials::Argon2(Box::new(HASH.parse().unwrap()));
        policy.accounts[0].credentials = Credentials::Either(Box::new([plain, hash]));
        policy.decoy = Decoy::of(policy.accounts.iter().map(|account| &account.credentials));
    };
    let mut desk = Desk::with(16, either);
    for password in ["old", "secret", "old"] {
        let mut peer = desk.connect();
        peer.send(&bind("acme", password, 1)).await;
        let known = desk.opened().await;
        desk.asked(&known).await;
        drop(peer);
        desk.closed(&known).await;
    }
    let mut peer = desk.connect();
    peer.send(&bind("acme", "other", 1)).await;
    peer.expect(RESP, CommandStatus::ESME_RINVPASWD, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_disabled_account_looks_like_a_wrong_password_until_it_is_enabled() {
    let mut desk = Desk::new();
    desk.roster.shut("acme");
    let mut seen = Vec::new();
    for password in ["secret", "Secret"] {
        let mut peer = desk.connect_from([192, 0, 2, seen.len() as u8 + 1].into());
        let started = Instant::now();
        peer.send(&bind("acme", password, 1)).await;
        let (header, body) = peer.receive().await.unwrap();
        peer.expect_end().await;
        seen.push((header.status, body, started.elapsed()));
    }
    assert_eq!(seen[0], seen[1]);
    desk.quiet(Duration::from_secs(1)).await;
    assert_eq!(binds(&desk), [("credentials", 1), ("disabled", 1)]);
    // Both failed in the same way: both wait the same time for their next try.
    let mut waits = Vec::new();
    for last in [1, 2] {
        for _ in 0..2 {
            let mut peer = desk.connect_from([192, 0, 2, last].into());
            let started = Instant::now();
            peer.send(&bind("acme", if last == 1 { "secret" } else { "Secret" }, 1)).await;
            peer.receive().await.unwrap();
            waits.push(started.elapsed());
        }
    }
    assert_eq!(waits[..2], waits[2..]);
    assert!(waits[1] > Duration::ZERO);
    desk.roster.reopen("acme");
    desk.entrance.forgive("acme");
    let started = Instant::now();
    let (_peer, _known) = desk.bound().await;
    assert_eq!(started.elapsed(), Duration::ZERO, "what it tried meanwhile is forgiven");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_asked_to_go_unbinds_or_is_cut() {
    let mut desk = Desk::new();
    let (mut willing, first) = desk.bound().await;
    let (mut stubborn, second) = desk.bound().await;
    assert_eq!(desk.roster.list().iter().map(|row| row.link).collect::<Vec<_>>(), [first.link, second.link]);
    assert_eq!(desk.roster.unbind(Which::Account("acme")), [first.link, second.link]);
    let (asked, _) = willing.receive().await.unwrap();
    assert_eq!(asked.id, CommandId::UNBIND);
    willing.send(&pdu(CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, asked.sequence, &[])).await;
    willing.expect_end().await;
    desk.closed(&first).await;
    let (asked, _) = stubborn.receive().await.unwrap();
    assert_eq!(asked.id, CommandId::UNBIND);
    assert_eq!(desk.roster.cut(&[first.link, second.link]), 1);
    let started = Instant::now();
    stubborn.expect_end().await;
    desk.closed(&second).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    drop((willing, stubborn));
    desk.quiet(Duration::from_secs(10)).await;
    assert_eq!(desk.roster.list(), []);
}

#[tokio::test(start_paused = true)]
async fn the_bridge_may_refuse() {
    let mut desk = Desk::new();
    let mut peer = desk.connect();
    peer.send(&bind("acme", "secret", 9)).await;
    let known = desk.opened().await;
    desk.asked(&known).await;
    let wire = pdu(RESP, CommandStatus::ESME_RALYBND, 9, &[])[..].into();
    known.mailbox.send(Parcel { wire, control: Control::Close, ..Parcel::default() }).await.unwrap();
    peer.expect(RESP, CommandStatus::ESME_RALYBND, 9).await;
    peer.expect_end().await;
    desk.closed(&known).await;
    assert_eq!(binds(&desk), [("ESME_RALYBND", 1)]);
}

/// The bridge refuses the bind that was asked.
async fn turn_away(desk: &mut Desk, status: CommandStatus) {
    let mut peer = desk.connect();
    peer.send(&bind("acme", "secret", 9)).await;
    let known: Known = desk.opened().await;
    desk.asked(&known).await;
    let wire = pdu(RESP, status, 9, &[])[..].into();
    known.mailbox.send(Parcel { wire, control: Control::Close, ..Parcel::default() }).await.unwrap();
    peer.expect(RESP, status, 9).await;
    desk.closed(&known).await;
}

#[tokio::test(start_paused = true)]
async fn binds_too_many_are_in_the_audit_log_and_a_flood_of_them_is_one_entry() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::start());
    let (path, keep) = (folder.path().join("audit"), Duration::from_secs(86_400));
    let settings = Settings { key: path.join("audit.key"), path: path.clone(), keep };
    let recorder = Recorder::start(settings, clock).unwrap();
    let roster = Roster::new(Activity::default(), recorder.clone(), []);
    let mut desk = Desk::attended(256, |_| {}, roster);
    for _ in 0..5 {
        turn_away(&mut desk, CommandStatus::ESME_RALYBND).await;
    }
    let (mut peer, _known) = desk.bound().await;
    peer.send(&bind("acme", "secret", 2)).await;
    peer.expect(RESP, CommandStatus::ESME_RALYBND, 2).await;
    peer.echo(3).await;
    recorder.end().await;
    let mut lines = Vec::new();
    let read = reading::walk(&Folder::new(&path), None, reading::Range::default(), None, |entry| {
        lines.push(entry.to_string());
    });
    assert!(read.is_ok());
    let refused: Vec<_> = lines.iter().filter(|line| line.contains("bind.refused")).collect();
    assert_eq!(refused.len(), 2, "{lines:?}");
    assert!(
        refused[0].ends_with("client (192.0.2.1) bind.refused denied account=acme reason=\"max_binds\""),
        "{refused:?}"
    );
    assert!(
        refused[1].contains("reason=\"5 more within 60 s\""),
        "the others, also the second bind of a link: {refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_pipelined_behind_a_bind_waits_for_it() {
    let mut desk = Desk::new();
    let mut peer = desk.connect();
    let mut octets = bind("acme", "secret", 1);
    for sequence in 2..5 {
        octets.extend(request(CommandId::SUBMIT_SM, sequence, b"early"));
    }
    let half = octets.len() - 8;
    peer.send(&octets[..half]).await;
    let known = desk.opened().await;
    let (command, sequence) = desk.asked(&known).await;
    desk.quiet(Duration::from_secs(3)).await;
    known.accept(command, sequence).await;
    assert_eq!(sequences(&desk.batch(&known).await.1), [2, 3]);
    peer.send(&octets[half..]).await;
    assert_eq!(sequences(&desk.batch(&known).await.1), [4]);
    peer.expect(RESP, CommandStatus::ESME_ROK, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_bind_gets_the_status_of_its_field() {
    let desk = Desk::new();
    let mut peer = desk.connect();
    peer.send(&request(CommandId::BIND_TRANSMITTER, 5, &[b'x'; 90])).await;
    peer.expect(CommandId::BIND_TRANSMITTER_RESP, CommandStatus::ESME_RINVSYSID, 5).await;
    peer.expect_end().await;
}
