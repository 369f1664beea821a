//! What the batch jobs drop, when and how: each in the manner of its feed.

use super::estate::legacy_file;

/// One batch job.
pub(super) struct Job {
    /// The feed that its files belong to.
    pub(super) feed: &'static str,
    /// Where it drops them, below the share.
    pub(super) inbox: &'static str,
    /// A line that begins so makes an event: all that the demonstration knows of the format.
    pub(super) lead: &'static str,
    /// Its files, in order.
    pub(super) steps: &'static [Step],
}

/// One file of a job.
pub(super) struct Step {
    /// How long the job rests before it.
    pub(super) rest_ms: u64,
    /// Below the inbox.
    pub(super) path: &'static str,
    /// Its bytes.
    pub(super) bytes: &'static [u8],
    /// How they get there.
    pub(super) manner: Manner,
    /// What has to become of it.
    pub(super) fate: Fate,
}

/// How a job writes a file.
pub(super) enum Manner {
    /// Under a temporary name with this ending, then renamed into place.
    Renamed(&'static str),
    /// At once, under its own name.
    InPlace,
    /// At once, and a moment later the file beside it, path and bytes, that says it is whole.
    Before(&'static str, &'static [u8]),
    /// In so many pieces, with rests between them.
    InPieces(usize),
}

/// What has to become of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// All its events are published.
    Published,
    /// It is quarantined, and none is.
    Quarantined,
    /// It was there before: nothing is published twice. The job waits until the first one went through.
    Repeat,
}

use Fate::{Published, Quarantined, Repeat};
use Manner::{Before, InPieces, InPlace, Renamed};

const fn step(rest_ms: u64, path: &'static str, bytes: &'static [u8], manner: Manner, fate: Fate) -> Step {
    Step { rest_ms, path, bytes, manner, fate }
}

const PUBLIC_WORKS_BIDS: &[Step] = &[
    step(
        300,
        "BID_20260131_0042.dat",
        legacy_file!("public_works/bids/typical-day/input/BID_20260131_0042.dat"),
        Renamed(".tmp"),
        Published,
    ),
    step(
        900,
        "BID_20260131_0043.dat",
        legacy_file!("public_works/bids/one-record/input/BID_20260131_0043.dat"),
        Renamed(".tmp"),
        Published,
    ),
    // One digit of its total is another.
    step(
        900,
        "BID_20260131_0046.dat",
        legacy_file!("public_works/bids/bad-trailer-sum-one-digit/input/BID_20260131_0042.dat"),
        Renamed(".tmp"),
        Quarantined,
    ),
    step(
        600,
        "BID_20260131_0045.dat",
        legacy_file!("public_works/bids/negative-amounts/input/BID_20260131_0045.dat"),
        Renamed(".tmp"),
        Published,
    ),
];

const PUBLIC_WORKS_WORK_ORDERS: &[Step] = &[
    step(
        500,
        "PWWO20260131.txt",
        legacy_file!("public_works/work_orders/typical-day/input/PWWO20260131.txt"),
        Before("PWWO20260131.txt.done", b""),
        Published,
    ),
    step(
        800,
        "PWWO20260131.txt",
        legacy_file!("public_works/work_orders/typical-day/input/PWWO20260131.txt"),
        Renamed(".new"),
        Repeat,
    ),
    step(
        700,
        "PWWO20260202.txt",
        legacy_file!("public_works/work_orders/blank-optional-fields/input/PWWO20260202.txt"),
        Before("PWWO20260202.txt.done", b""),
        Published,
    ),
];

const PUBLIC_WORKS_COMPLETIONS: &[Step] = &[
    step(200, "PWCMP.0731", legacy_file!("public_works/completions/typical-day/input/PWCMP.0731"), InPlace, Published),
    step(
        300,
        "PWCMP.0732",
        legacy_file!("public_works/completions/five-hundred-records/input/PWCMP.0732"),
        InPieces(7),
        Published,
    ),
];

const PARKS_BIDS: &[Step] = &[
    step(
        700,
        "parks_bids_2026-01-31.csv",
        legacy_file!("parks/bids/typical-day/input/parks_bids_2026-01-31.csv"),
        Before(
            "parks_bids_2026-01-31.csv.sha256",
            legacy_file!("parks/bids/typical-day/input/parks_bids_2026-01-31.csv.sha256"),
        ),
        Published,
    ),
    step(
        1100,
        "parks_bids_2026-02-02.csv",
        legacy_file!("parks/bids/quoted-newlines-and-quotes/input/parks_bids_2026-02-02.csv"),
        Before(
            "parks_bids_2026-02-02.csv.sha256",
            legacy_file!("parks/bids/quoted-newlines-and-quotes/input/parks_bids_2026-02-02.csv.sha256"),
        ),
        Published,
    ),
];

const PARKS_WORK_ORDERS: &[Step] = &[
    step(
        400,
        "riverside_park/WO_20260131_007.csv",
        legacy_file!("parks/work_orders/typical-day/input/riverside_park/WO_20260131_007.csv"),
        Before("riverside_park/WO_20260131_007.ok", b""),
        Published,
    ),
    step(
        600,
        "castle_garden/north/WO_20260131_007.csv",
        legacy_file!("parks/work_orders/multi-line-descriptions/input/castle_garden/north/WO_20260131_007.csv"),
        Before("castle_garden/north/WO_20260131_007.ok", b""),
        Published,
    ),
];

const PARKS_COMPLETIONS: &[Step] = &[step(
    1300,
    "completions.csv",
    legacy_file!("parks/completions/typical-day/input/completions.csv"),
    InPlace,
    Published,
)];

const FACILITIES_BIDS: &[Step] = &[
    step(
        600,
        "ANGEBOT_31012026_01.csv",
        legacy_file!("facilities/bids/typical-day/input/ANGEBOT_31012026_01.csv"),
        Before(
            "ANGEBOT_31012026_01.csv.md5",
            legacy_file!("facilities/bids/typical-day/input/ANGEBOT_31012026_01.csv.md5"),
        ),
        Published,
    ),
    step(
        1200,
        "ANGEBOT_02022026_07.csv",
        legacy_file!("facilities/bids/leading-zeros/input/ANGEBOT_02022026_07.csv"),
        Before(
            "ANGEBOT_02022026_07.csv.md5",
            legacy_file!("facilities/bids/leading-zeros/input/ANGEBOT_02022026_07.csv.md5"),
        ),
        Published,
    ),
];

const FACILITIES_WORK_ORDERS: &[Step] = &[
    step(
        800,
        "fm_wo_20260131_002614.psv",
        legacy_file!("facilities/work_orders/typical-day/input/fm_wo_20260131_002614.psv"),
        Renamed(".part"),
        Published,
    ),
    // A day without orders is a drop too.
    step(
        1000,
        "fm_wo_20260201_002615.psv",
        legacy_file!("facilities/work_orders/empty-day/input/fm_wo_20260201_002615.psv"),
        Renamed(".part"),
        Published,
    ),
];

const FACILITIES_COMPLETIONS: &[Step] = &[
    step(
        1000,
        "FMC20260131.001",
        legacy_file!("facilities/completions/typical-day/input/FMC20260131.001"),
        InPlace,
        Published,
    ),
    step(
        900,
        "FMC20260131.002",
        legacy_file!("facilities/completions/negative-amounts/input/FMC20260131.002"),
        InPlace,
        Published,
    ),
];

/// The jobs of the estate.
pub(super) const JOBS: [Job; 9] = [
    Job { feed: "public_works.bids", inbox: "public_works/bids", lead: "B|", steps: PUBLIC_WORKS_BIDS },
    Job {
        feed: "public_works.work_orders",
        inbox: "public_works/work_orders",
        lead: "WO",
        steps: PUBLIC_WORKS_WORK_ORDERS,
    },
    Job {
        feed: "public_works.completions",
        inbox: "public_works/completions",
        lead: "5",
        steps: PUBLIC_WORKS_COMPLETIONS,
    },
    Job { feed: "parks.bids", inbox: "parks/bids", lead: "PK/", steps: PARKS_BIDS },
    Job { feed: "parks.work_orders", inbox: "parks/work_orders", lead: "\"ORD\"", steps: PARKS_WORK_ORDERS },
    Job { feed: "parks.completions", inbox: "parks/completions", lead: "PKW-", steps: PARKS_COMPLETIONS },
    Job { feed: "facilities.bids", inbox: "facilities/bids", lead: "A;", steps: FACILITIES_BIDS },
    Job { feed: "facilities.work_orders", inbox: "facilities/work_orders", lead: "W|", steps: FACILITIES_WORK_ORDERS },
    Job { feed: "facilities.completions", inbox: "facilities/completions", lead: "C1", steps: FACILITIES_COMPLETIONS },
];
