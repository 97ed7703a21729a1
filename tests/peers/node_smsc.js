// An SMSC built on node-smpp, as one would write it: accepts binds, answers submit_sm, sends a receipt for each message
// that asks for one, and writes what it got to standard output, a JSON line for each event.
//
// Arguments: port, and for TLS the certificate and the key. On SIGUSR2 it sends a mobile-originated message on every bind.

'use strict';

const fs = require('fs');
const smpp = require('smpp');

const [port, certificate, key] = process.argv.slice(2);
const options = certificate ? { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) } : {};
const sessions = new Set();
let serial = 0;

function note(event) {
  process.stdout.write(JSON.stringify(event) + '\n');
}

function date() {
  return new Date().toISOString().replace(/\D/g, '').slice(2, 12);
}

function receipt(session, pdu, id) {
  session.deliver_sm({
    esm_class: smpp.ESM_CLASS.MC_DELIVERY_RECEIPT,
    source_addr: pdu.destination_addr,
    destination_addr: pdu.source_addr,
    short_message: `id:${id} sub:001 dlvrd:001 submit date:${date()} done date:${date()} stat:DELIVRD err:000 text:`,
  }, (answer) => note({ receipt: id, status: answer.command_status }));
}

function submitted(session, pdu) {
  const id = `node-${++serial}`;
  // The library takes the user data header apart and decodes the text.
  const { udh = [], message } = pdu.short_message || {};
  note({
    id,
    to: pdu.destination_addr,
    from: pdu.source_addr,
    udh: udh.map((element) => element.toString('hex')).join(''),
    text: Buffer.isBuffer(message) ? message.toString('hex') : message,
    data_coding: pdu.data_coding,
    esm_class: pdu.esm_class,
  });
  session.send(pdu.response({ message_id: id }));
  if (pdu.registered_delivery & 1) {
    setTimeout(() => receipt(session, pdu, id), 20);
  }
}

const server = smpp.createServer(options, (session) => {
  sessions.add(session);
  for (const kind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(kind, (pdu) => {
      note({ bind: kind, system_id: pdu.system_id, interface_version: pdu.interface_version });
      session.send(pdu.response({ system_id: 'node' }));
    });
  }
  session.on('submit_sm', (pdu) => submitted(session, pdu));
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => {
    note({ unbind: true });
    session.send(pdu.response());
    session.close();
  });
  session.on('error', (error) => note({ error: String(error) }));
  session.on('close', () => sessions.delete(session));
});

process.on('SIGUSR2', () => {
  for (const session of sessions) {
    const number = ++serial;
    session.deliver_sm({
      source_addr: '4790000001',
      source_addr_ton: 1,
      source_addr_npi: 1,
      destination_addr: '4791234567',
      dest_addr_ton: 1,
      dest_addr_npi: 1,
      short_message: `mobile originated ${number}`,
    }, (answer) => note({ mobile_originated: number, status: answer.command_status }));
  }
});

server.listen(Number(port), '127.0.0.1', () => note({ listening: Number(port) }));
