//! The command lines: what all programs take, and what the services take beside it.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

/// What every program needs to know.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Kafka's brokers: host:port, several separated by commas
    #[arg(long, value_name = "HOST:PORT", env = "KAFKA_BOOTSTRAP_SERVERS")]
    pub bootstrap_servers: String,

    /// Stands before the name of each topic of the bridge, as in its configuration
    #[arg(long, default_value = "dropbridge.")]
    pub prefix: String,

    /// The program's own database; made when it is not there. Each process needs one of its own, for ever
    #[arg(long, value_name = "FILE")]
    pub state: PathBuf,

    /// Properties of the Kafka client, a line `name=value` each: for TLS and SASL. Keep it from others' eyes
    #[arg(long, value_name = "FILE")]
    pub client_properties: Option<PathBuf>,

    /// End when everything that is there was read, instead of waiting for more
    #[arg(long)]
    pub until_idle: bool,

    /// The most events that share one transaction of the database
    #[arg(long, value_name = "EVENTS", default_value = "500")]
    pub batch: NonZeroUsize,
}

/// What every service needs to know.
#[derive(Args, Clone, Debug)]
pub struct ServiceOptions {
    /// What every program needs to know.
    #[command(flatten)]
    pub common: Common,

    /// The consumer group: processes of one group share the work [default: the program's name]
    #[arg(long)]
    pub group: Option<String>,

    /// Stands behind the type in the name of the topic that is written. Empty: without a bridge
    #[arg(long, value_name = "SUFFIX", default_value = ".candidate")]
    pub topic_suffix: String,
}
