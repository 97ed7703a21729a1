//! The other end of a link, PDU by PDU.

use std::time::Duration;

use bytes::BytesMut;
use smppgate::pdu::{Bind, CommandId, CommandStatus, HEADER_LENGTH, Header, Password};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

/// Longer than any timer under test, in virtual time.
pub(crate) const FOREVER: Duration = Duration::from_secs(3600);

pub(crate) struct Peer {
    pub(crate) stream: DuplexStream,
}

/// A PDU of any body.
pub(crate) fn pdu(id: CommandId, status: CommandStatus, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut wire = BytesMut::new();
    let length = u32::try_from(HEADER_LENGTH + body.len()).unwrap();
    Header { length, id, status, sequence }.encode(&mut wire);
    wire.extend_from_slice(body);
    wire.to_vec()
}

/// A request of any body.
pub(crate) fn request(id: CommandId, sequence: u32, body: &[u8]) -> Vec<u8> {
    pdu(id, CommandStatus::ESME_ROK, sequence, body)
}

/// A bind as transceiver.
pub(crate) fn bind(system_id: &str, password: &str, sequence: u32) -> Vec<u8> {
    let mut wire = BytesMut::new();
    let password = Password(password.as_bytes());
    let bind = Bind { system_id: system_id.as_bytes(), password, interface_version: 0x34, ..Bind::default() };
    bind.encode(CommandId::BIND_TRANSCEIVER, sequence, &mut wire);
    wire.to_vec()
}

impl Peer {
    pub(crate) async fn send(&mut self, octets: &[u8]) {
        timeout(FOREVER, self.stream.write_all(octets)).await.expect("the link reads").unwrap();
    }

    /// The next PDU; `None` at the end of the stream.
    pub(crate) async fn receive(&mut self) -> Option<(Header, Vec<u8>)> {
        let mut octets = [0; HEADER_LENGTH];
        let read = timeout(FOREVER, self.stream.read_exact(&mut octets)).await.expect("the link writes or closes");
        if read.is_err() {
            return None;
        }
        let header = Header::decode(&octets);
        let mut body = vec![0; header.length as usize - HEADER_LENGTH];
        self.stream.read_exact(&mut body).await.unwrap();
        Some((header, body))
    }

    /// The next PDU must be this one.
    pub(crate) async fn expect(&mut self, id: CommandId, status: CommandStatus, sequence: u32) -> Vec<u8> {
        let (header, body) = self.receive().await.expect("a PDU, not the end");
        assert_eq!((header.id, header.status, header.sequence), (id, status, sequence));
        body
    }

    /// Nothing more comes.
    pub(crate) async fn expect_end(&mut self) {
        assert_eq!(self.receive().await.map(|(header, _)| header), None);
    }

    /// An enquire_link of ours is answered: everything sent before it was taken.
    pub(crate) async fn echo(&mut self, sequence: u32) {
        self.send(&request(CommandId::ENQUIRE_LINK, sequence, &[])).await;
        self.expect(CommandId::ENQUIRE_LINK_RESP, CommandStatus::ESME_ROK, sequence).await;
    }
}
