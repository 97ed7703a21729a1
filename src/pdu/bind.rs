//! `bind_receiver`, `bind_transmitter`, `bind_transceiver`, their responses, and `outbind`. SMPP 3.4 §4.1.
//!
//! Reads longer names and passwords than the specification has room for, because peers send them; checks no credentials.

use std::fmt;

use bytes::BytesMut;

use super::command::{CommandId, CommandStatus};
use super::fault::Malformed;
use super::field::{Fields, until_nul};
use super::pen::Pen;
use super::tag::Tag;
use super::tlv::{Tlv, Tlvs};

/// Most characters of `system_id` that are read; the specification has room for 15.
pub const SYSTEM_ID_MAX: usize = 64;
/// Most characters of `password` that are read; the specification has room for 8.
pub const PASSWORD_MAX: usize = 128;
/// Most characters of `system_type` that are read; the specification has room for 12.
const SYSTEM_TYPE_MAX: usize = 32;
/// Most characters of `address_range`.
const ADDRESS_RANGE_MAX: usize = 40;

/// A password on the wire. `Debug` shows nothing of it, not even its size, and there is no `Display`.
#[derive(Clone, Copy, Default)]
pub struct Password<'a>(pub &'a [u8]);

impl fmt::Debug for Password<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// The body of a bind request.
#[derive(Clone, Copy, Default)]
pub struct Bind<'a> {
    /// The account.
    pub system_id: &'a [u8],
    /// Its password.
    pub password: Password<'a>,
    /// Category of the client, often empty.
    pub system_type: &'a [u8],
    /// 0x34 for SMPP 3.4.
    pub interface_version: u8,
    /// Type of number of `address_range`.
    pub addr_ton: u8,
    /// Numbering plan of `address_range`.
    pub addr_npi: u8,
    /// Which addresses the client serves, a pattern; most servers ignore it.
    pub address_range: &'a [u8],
}

impl<'a> Bind<'a> {
    /// Decodes a body. What follows `address_range` is ignored.
    ///
    /// # Errors
    /// The field's own status when a field is too long, `ESME_RINVCMDLEN` when the body is cut.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        Ok(Self {
            system_id: fields.c_octets(SYSTEM_ID_MAX, CommandStatus::ESME_RINVSYSID, "system_id")?,
            password: Password(fields.c_octets(PASSWORD_MAX, CommandStatus::ESME_RINVPASWD, "password")?),
            system_type: fields.c_octets(SYSTEM_TYPE_MAX, CommandStatus::ESME_RINVSYSTYP, "system_type")?,
            interface_version: fields.octet("interface_version")?,
            addr_ton: fields.octet("addr_ton")?,
            addr_npi: fields.octet("addr_npi")?,
            address_range: fields.last_c_octets(ADDRESS_RANGE_MAX, CommandStatus::ESME_RBINDFAIL, "address_range")?,
        })
    }

    /// Appends header and body as `command`.
    pub fn encode(&self, command: CommandId, sequence: u32, wire: &mut BytesMut) {
        let body = self.system_id.len() + self.password.0.len() + self.system_type.len() + self.address_range.len() + 7;
        let mut pen = Pen::begin(command, CommandStatus::ESME_ROK, sequence, body, wire);
        pen.c_octets(self.system_id);
        pen.c_octets(self.password.0);
        pen.c_octets(self.system_type);
        pen.octets(&[self.interface_version, self.addr_ton, self.addr_npi]);
        pen.c_octets(self.address_range);
        pen.end();
    }
}

impl fmt::Debug for Bind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bind")
            .field("system_id", &format_args!("{}", self.system_id.escape_ascii()))
            .field("password", &self.password)
            .field("system_type", &format_args!("{}", self.system_type.escape_ascii()))
            .field("interface_version", &format_args!("{:#04x}", self.interface_version))
            .field("addr_ton", &self.addr_ton)
            .field("addr_npi", &self.addr_npi)
            .field("address_range", &format_args!("[{} octets]", self.address_range.len()))
            .finish()
    }
}

/// The body of a bind response.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct BindResp<'a> {
    /// The server's name.
    pub system_id: &'a [u8],
    /// The version the server speaks; `None` when it does not say.
    pub sc_interface_version: Option<u8>,
}

impl<'a> BindResp<'a> {
    /// Takes whatever is there.
    #[must_use]
    pub fn decode(body: &'a [u8]) -> Self {
        let system_id = until_nul(body);
        let tlvs = body.get(system_id.len() + 1..).map_or(Tlvs::NONE, Tlvs::lenient);
        Self { system_id, sc_interface_version: tlvs.octet(Tag::SC_INTERFACE_VERSION) }
    }

    /// Appends header and body as the response `command` with `ESME_ROK`; a refusal is a header only.
    pub fn encode(&self, command: CommandId, sequence: u32, wire: &mut BytesMut) {
        let mut pen = Pen::begin(command, CommandStatus::ESME_ROK, sequence, self.system_id.len() + 6, wire);
        pen.c_octets(self.system_id);
        if let Some(version) = self.sc_interface_version {
            pen.tlv(Tlv { tag: Tag::SC_INTERFACE_VERSION, value: &[version] });
        }
        pen.end();
    }
}

impl fmt::Debug for BindResp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BindResp")
            .field("system_id", &format_args!("{}", self.system_id.escape_ascii()))
            .field("sc_interface_version", &self.sc_interface_version)
            .finish()
    }
}

/// The body of `outbind`, by which a server asks a client to bind. There is no response to it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outbind<'a> {
    /// The server's name.
    pub system_id: &'a [u8],
    /// Its password.
    pub password: Password<'a>,
}

impl<'a> Outbind<'a> {
    /// Decodes a body.
    ///
    /// # Errors
    /// The field's own status when a field is too long, `ESME_RINVCMDLEN` when the body is cut.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        Ok(Self {
            system_id: fields.c_octets(SYSTEM_ID_MAX, CommandStatus::ESME_RINVSYSID, "system_id")?,
            password: Password(fields.last_c_octets(PASSWORD_MAX, CommandStatus::ESME_RINVPASWD, "password")?),
        })
    }

    /// Appends header and body.
    pub fn encode(&self, sequence: u32, wire: &mut BytesMut) {
        let body = self.system_id.len() + self.password.0.len() + 2;
        let mut pen = Pen::begin(CommandId::OUTBIND, CommandStatus::ESME_ROK, sequence, body, wire);
        pen.c_octets(self.system_id);
        pen.c_octets(self.password.0);
        pen.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let mut wire = BytesMut::new();
        let bind = Bind { system_id: b"acme", password: Password(b"hunter2"), ..Bind::default() };
        bind.encode(CommandId::BIND_TRANSMITTER, 1, &mut wire);
        let shown = format!("{:?} {:?}", Bind::decode(&wire[16..]).unwrap(), bind.password);
        assert!(shown.contains("acme") && !shown.contains("hunter2"));
    }

    #[test]
    fn each_field_fails_by_its_own_status() {
        let of = |body: &[u8]| Bind::decode(body).map_err(|fault| fault.status.0).err();
        assert_eq!(of(&[b'x'; 200]), Some(0x0F));
        assert_eq!(of(&[b"a\0".as_slice(), &[b'x'; 200]].concat()), Some(0x0E));
        assert_eq!(of(&[b"a\0b\0".as_slice(), &[b'x'; 200]].concat()), Some(0x53));
        assert_eq!(of(&[b"a\0b\0c\0\x34\0\0".as_slice(), &[b'x'; 200]].concat()), Some(0x0D));
        assert_eq!(of(b"a\0b\0c\0\x34\0"), Some(0x02));
        assert_eq!(of(b"a\0b\0c\0\x34\0\0*"), None);
    }
}
