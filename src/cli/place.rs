//! Where an event stands, as it is written on the command line.

/// Where an event stands.
#[derive(Clone, Debug)]
pub(super) struct EventPlace {
    pub(super) topic: String,
    pub(super) partition: u32,
    pub(super) offset: i64,
}

impl EventPlace {
    /// Reads `TOPIC/PARTITION/OFFSET`.
    ///
    /// # Errors
    /// What it should look like.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.rsplitn(3, '/');
        let (offset, partition, topic) = (parts.next(), parts.next(), parts.next().filter(|topic| !topic.is_empty()));
        let place = topic.zip(partition).zip(offset).and_then(|((topic, partition), offset)| {
            let offset = offset.parse().ok().filter(|offset| *offset >= 0)?;
            Some(Self { topic: topic.to_owned(), partition: partition.parse().ok()?, offset })
        });
        place.ok_or_else(|| "write TOPIC/PARTITION/OFFSET, such as work.BidProcessed/3/1207".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::EventPlace;

    #[test]
    fn places_are_read_or_refused() {
        let place = EventPlace::parse("work.Bid/3/1207").unwrap();
        assert_eq!((place.topic.as_str(), place.partition, place.offset), ("work.Bid", 3, 1207));
        let wrong = ["work.Bid/3", "/3/1", "work.Bid/x/1", "work.Bid/3/-1"];
        assert!(wrong.iter().all(|text| EventPlace::parse(text).is_err()));
    }
}
