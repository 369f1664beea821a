//! The key of table `records`: partition and offset in one number.

/// How many bits of a position the offset has.
const OFFSET_BITS: u32 = 40;

/// One more than the largest offset there can be.
pub(crate) const OFFSET_LIMIT: i64 = 1 << OFFSET_BITS;

/// Where the record at `offset` of a partition stands. `offset` may be [`OFFSET_LIMIT`]: the end of the partition.
pub(crate) fn position(partition_id: i64, offset: i64) -> i64 {
    (partition_id << OFFSET_BITS) + offset
}

/// The offset within its partition of the record at `position`.
pub(crate) fn offset_of(position: i64) -> i64 {
    position & (OFFSET_LIMIT - 1)
}
