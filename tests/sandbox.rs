//! The load generator against the simulated carrier, without the gateway: with every fault switched on, both must count
//! the same.

use smppgate::sandbox::{
    CarrierArgs, CarrierHandle, CarrierReport, LoadArgs, Report, SandboxError, load, spawn_carrier,
};
use tokio::sync::oneshot;

struct Carrier {
    handle: CarrierHandle,
    stop: oneshot::Sender<()>,
}

impl Carrier {
    fn start(words: &[&str]) -> Self {
        let args = CarrierArgs::of(["--listen", "127.0.0.1:0"].iter().chain(words).copied()).expect("arguments");
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        Self { handle: spawn_carrier(args, shutdown).expect("a free port"), stop }
    }

    async fn load(&self, words: &[&str]) -> Result<Report, SandboxError> {
        let address = self.handle.address().to_string();
        let fixed = ["--quiet", "--address", &address, "--seed", "7"];
        load(LoadArgs::of(fixed.iter().chain(words).copied()).expect("arguments")).await
    }

    async fn stop(self) -> CarrierReport {
        drop(self.stop);
        self.handle.ended().await
    }
}

/// What must hold of any pair of reports, whatever the faults.
fn agree(load: &Report, carrier: &CarrierReport) {
    let refused: u64 = load.refused.values().sum();
    assert_eq!(carrier.received, carrier.unique + carrier.duplicates, "{carrier:?}");
    assert_eq!(load.submitted, load.acknowledged + refused + load.throttled + load.unknown, "{load:?}");
    assert_eq!(load.receipts + load.missing_receipts, load.acknowledged, "{load:?}");
    assert_eq!(carrier.receipts_open(), 0, "{carrier:?}");
}

#[tokio::test]
async fn a_carrier_that_behaves_answers_and_reports_everything() {
    let carrier = Carrier::start(&["--receipt-delay", "5ms"]);
    let load = carrier.load(&["--messages", "20000"]).await.unwrap();
    let carrier = carrier.stop().await;
    agree(&load, &carrier);
    assert_eq!((load.messages, load.acknowledged, load.receipts), (20_000, 20_000, 20_000));
    assert_eq!((carrier.unique, carrier.duplicates, carrier.receipts_acknowledged), (20_000, 0, 20_000));
    assert_eq!(load.states["DELIVRD"], 20_000);
    assert_eq!(load.exit_code(), 0);
    assert!(load.answer_latency.max_ms > 0.0 && load.receipt_latency.p50_ms >= 5.0, "{load:?}");
}
