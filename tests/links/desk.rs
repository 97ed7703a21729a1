//! The bridge's side of a link, played by the test.

use std::future::ready;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use smppgate::bridge::Input;
use smppgate::clock::Clock;
use smppgate::config::Config;
use smppgate::message::{AccountId, LinkId};
use smppgate::net::{Crowd, CrowdLimits, Directory, Entrance, Inbox, Mail, Reception, Rim, Roster};
use smppgate::pdu::{BindResp, CommandId, encode_header_only};
use smppgate::policy::Policy;
use smppgate::session::{BindMode, Control, Event, Parcel, Settings};
use tokio::io::duplex;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::peer::{FOREVER, Peer, bind};

/// The number of account "acme".
pub(crate) const ACME: AccountId = AccountId(41);
/// Octets an in-memory stream holds in each direction.
pub(crate) const PIPE: usize = 16 * 1024;

pub(crate) struct Desk {
    pub(crate) rim: Arc<Rim>,
    pub(crate) inbox: Inbox,
    pub(crate) mail: mpsc::Receiver<Mail>,
    pub(crate) reception: Arc<Reception>,
    pub(crate) entrance: Arc<Entrance>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) crowd: Arc<Crowd>,
    pub(crate) stop: watch::Sender<bool>,
}

/// A link the bridge knows.
pub(crate) struct Known {
    pub(crate) link: LinkId,
    pub(crate) mailbox: mpsc::Sender<Parcel>,
}

pub(crate) fn settings() -> Settings {
    Settings { inactivity: None, ..Settings::default() }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(256, |_| {})
    }

    /// An inbox for `letters`, and the sandbox's accounts changed by `change`.
    pub(crate) fn with(letters: usize, change: impl FnOnce(&mut Policy)) -> Self {
        Self::attended(letters, change, Arc::default())
    }

    /// The same with a roster that tells of what happens.
    pub(crate) fn attended(letters: usize, change: impl FnOnce(&mut Policy), roster: Arc<Roster>) -> Self {
        let mut policy = (*Config::sandbox().policy).clone();
        change(&mut policy);
        let numbers = (0..policy.accounts.len()).map(|place| AccountId(ACME.0 + place as u16)).collect();
        let clock = Clock::start();
        let (inbox, mail) = Inbox::with_capacity(letters);
        let (stop, stopped) = watch::channel(false);
        let rim = Arc::new(Rim::new(clock, inbox.clone()));
        let entrance = Entrance::new(clock, Directory::new(Arc::new(policy), numbers));
        let (own, by) = (Arc::clone(&roster), Arc::clone(&entrance));
        let reception = Reception::attended(Arc::clone(&rim), by, settings(), stopped, own);
        Self { rim, inbox, mail, reception, entrance, roster, crowd: Crowd::new(CrowdLimits::default()), stop }
    }

    /// A client system connects.
    pub(crate) fn connect(&self) -> Peer {
        self.connect_from([192, 0, 2, 1].into())
    }

    pub(crate) fn connect_from(&self, address: IpAddr) -> Peer {
        let (near, far) = duplex(PIPE);
        let (reception, seat) = (Arc::clone(&self.reception), self.crowd.enter(address).unwrap());
        tokio::spawn(async move { reception.serve(ready(Ok(near)), address, seat).await });
        Peer { stream: far }
    }

    /// A client system connects and is bound as acme.
    pub(crate) async fn bound(&mut self) -> (Peer, Known) {
        let mut peer = self.connect();
        peer.send(&bind("acme", "secret", 1)).await;
        let known = self.opened().await;
        let (command, sequence) = self.asked(&known).await;
        known.accept(command, sequence).await;
        assert!(peer.receive().await.is_some());
        (peer, known)
    }

    pub(crate) async fn letter(&mut self) -> Mail {
        timeout(FOREVER, self.mail.recv()).await.expect("a letter").expect("the inbox is open")
    }

    /// The next letter announces a link.
    pub(crate) async fn opened(&mut self) -> Known {
        match self.letter().await {
            Mail::Open { link, mailbox } => Known { link, mailbox },
            other @ (Mail::Input(_) | Mail::Errand(_)) => panic!("a link should be announced, not {other:?}"),
        }
    }

    /// The next letter asks to bind.
    pub(crate) async fn asked(&mut self, known: &Known) -> (CommandId, u32) {
        match self.letter().await {
            Mail::Input(Input::Bind { link, account, command, sequence, .. }) => {
                assert_eq!((link, account), (known.link, ACME));
                (command, sequence)
            }
            other => panic!("a bind should be asked for, not {other:?}"),
        }
    }

    /// The next letter is a batch of this link.
    pub(crate) async fn batch(&mut self, known: &Known) -> (Bytes, Vec<Event>) {
        match self.letter().await {
            Mail::Input(Input::Batch { link, chunk, events }) => {
                assert_eq!(link, known.link);
                (chunk, events)
            }
            other => panic!("a batch should come, not {other:?}"),
        }
    }

    /// The next letter says that the link is gone.
    pub(crate) async fn closed(&mut self, known: &Known) {
        match self.letter().await {
            Mail::Input(Input::Closed { link }) => assert_eq!(link, known.link),
            other => panic!("the end should come, not {other:?}"),
        }
    }

    /// No letter comes for this long.
    pub(crate) async fn quiet(&mut self, duration: Duration) {
        if let Ok(letter) = timeout(duration, self.mail.recv()).await {
            panic!("nothing should come, not {letter:?}");
        }
    }

    /// How often client links ended for `reason`.
    pub(crate) fn closes(&self, reason: &str) -> u64 {
        let totals = self.rim.tally().totals(smppgate::session::Role::Smsc);
        totals.closes.iter().find(|(name, _)| *name == reason).map_or(0, |(_, count)| *count)
    }
}

impl Known {
    pub(crate) async fn accept(&self, command: CommandId, sequence: u32) {
        let mode = BindMode::asked_by(command).unwrap();
        let mut parcel = Parcel { control: Control::Bound(mode), ..Parcel::default() };
        let resp = BindResp { system_id: b"smppgate", sc_interface_version: Some(0x34) };
        resp.encode(command.response(), sequence, &mut parcel.wire);
        self.mailbox.send(parcel).await.unwrap();
    }

    /// Header-only answers to requests with these numbers, in one parcel.
    pub(crate) async fn answer(&self, command: CommandId, sequences: impl IntoIterator<Item = u32>) {
        let mut parcel = Parcel::default();
        for sequence in sequences {
            let ok = smppgate::pdu::CommandStatus::ESME_ROK;
            encode_header_only(command.response(), ok, sequence, &mut parcel.wire);
            parcel.answers += 1;
        }
        self.mailbox.send(parcel).await.unwrap();
    }
}

/// The sequence numbers of the requests in a batch; it holds nothing else.
pub(crate) fn sequences(events: &[Event]) -> Vec<u32> {
    let number = |event: &Event| match event {
        Event::Request { sequence, .. } => *sequence,
        other => panic!("a request should come, not {other:?}"),
    };
    events.iter().map(number).collect()
}

/// A parcel with one request of `body`.
pub(crate) fn with_request(command: CommandId, token: u64, body: &[u8]) -> Parcel {
    let wire = BytesMut::from(&crate::peer::request(command, 0, body)[..]);
    Parcel { wire, requests: vec![smppgate::session::Request { at: 0, token }], ..Parcel::default() }
}
