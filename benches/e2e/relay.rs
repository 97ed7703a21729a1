//! The network's floor: a relay that passes octets between a client and a carrier and looks at none.

use std::io::{self, Write};
use std::sync::Arc;

use clap::Args;
use tokio::net::{TcpListener, TcpStream};

use crate::Outcome;

/// Where to.
#[derive(Args)]
pub(crate) struct RelayArgs {
    /// Carriers; connections go to them in turn
    #[arg(long, value_delimiter = ',')]
    to: Vec<String>,
}

/// Prints its address, then relays until it is killed. The same runtime as the gateway's.
pub(crate) fn run(args: &RelayArgs) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    Ok(runtime.block_on(listen(args.to.clone().into()))?)
}

async fn listen(carriers: Arc<[String]>) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    let mut turn = 0;
    loop {
        let (client, _) = listener.accept().await?;
        let (carriers, number) = (Arc::clone(&carriers), turn % carriers.len());
        turn += 1;
        tokio::spawn(async move {
            // An end of either side ends the pair; there is nobody to tell.
            let _ = pass(client, &carriers[number]).await;
        });
    }
}

async fn pass(mut client: TcpStream, carrier: &str) -> io::Result<()> {
    let mut carrier = TcpStream::connect(carrier).await?;
    client.set_nodelay(true)?;
    carrier.set_nodelay(true)?;
    tokio::io::copy_bidirectional_with_sizes(&mut client, &mut carrier, 64 * 1024, 64 * 1024).await?;
    Ok(())
}
