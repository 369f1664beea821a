-- The tables of an event log, version 1. What they mean is told in the documentation of the crate.

CREATE TABLE topics (
    topic_id INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    cleanup  TEXT NOT NULL CHECK (cleanup IN ('delete', 'compact'))
) STRICT;

CREATE TABLE partitions (
    partition_id    INTEGER PRIMARY KEY CHECK (partition_id BETWEEN 1 AND 8388606),
    topic_id        INTEGER NOT NULL REFERENCES topics,
    partition       INTEGER NOT NULL,
    next_offset     INTEGER NOT NULL DEFAULT 0,
    compacted_to    INTEGER NOT NULL DEFAULT 0,
    compacted_count INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic_id, partition)
) STRICT;

-- position = partition_id * 2^40 + offset
CREATE TABLE records (
    position     INTEGER PRIMARY KEY,
    timestamp_ms INTEGER NOT NULL,
    key          BLOB,
    value        BLOB,
    headers      BLOB
) STRICT;

CREATE TABLE writers (
    writer_id        INTEGER PRIMARY KEY,
    transactional_id TEXT NOT NULL UNIQUE,
    epoch            INTEGER NOT NULL,
    committed        INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE open_ranges (
    partition_id INTEGER NOT NULL,
    from_offset  INTEGER NOT NULL,
    to_offset    INTEGER NOT NULL,
    writer_id    INTEGER NOT NULL,
    PRIMARY KEY (partition_id, from_offset)
) STRICT, WITHOUT ROWID;

CREATE INDEX open_ranges_by_writer ON open_ranges (writer_id);

CREATE TABLE group_offsets (
    group_name   TEXT NOT NULL,
    partition_id INTEGER NOT NULL,
    next_offset  INTEGER NOT NULL,
    PRIMARY KEY (group_name, partition_id)
) STRICT, WITHOUT ROWID;

CREATE VIEW partition_ends (topic, partition, partition_id, stable_offset, next_offset) AS
SELECT
    topics.name,
    partitions.partition,
    partitions.partition_id,
    coalesce(
        (SELECT min(from_offset) FROM open_ranges WHERE open_ranges.partition_id = partitions.partition_id),
        partitions.next_offset
    ),
    partitions.next_offset
FROM topics JOIN partitions USING (topic_id);

CREATE VIEW committed_records (topic, partition, offset, timestamp_ms, key, value) AS
SELECT
    ends.topic,
    ends.partition,
    records.position - (ends.partition_id << 40),
    records.timestamp_ms,
    records.key,
    records.value
FROM partition_ends AS ends
JOIN records
    ON records.position >= (ends.partition_id << 40)
    AND records.position < (ends.partition_id << 40) + ends.stable_offset;
