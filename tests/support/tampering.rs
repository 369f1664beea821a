//! What an event log never does by itself: topics disappear.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

/// Removes a topic with all its records from the embedded log, by `sqlite3`.
pub fn remove_embedded_topic(file: &Path, topic: &str) {
    let ids = format!("SELECT partition_id FROM partitions JOIN topics USING (topic_id) WHERE name = '{topic}'");
    let status = Command::new("sqlite3")
        .arg("-bail")
        .arg(file)
        .arg(".timeout 60000")
        .arg(format!(
            "BEGIN IMMEDIATE;
             DELETE FROM records WHERE position >> 40 IN ({ids});
             DELETE FROM open_ranges WHERE partition_id IN ({ids});
             DELETE FROM group_offsets WHERE partition_id IN ({ids});
             DELETE FROM partitions WHERE topic_id = (SELECT topic_id FROM topics WHERE name = '{topic}');
             DELETE FROM topics WHERE name = '{topic}';
             COMMIT;"
        ))
        .status()
        .unwrap();
    assert!(status.success());
}

/// Removes a topic from Kafka, and waits until it is gone. Source of the format: Kafka protocol guide, `DeleteTopics`
/// version 1.
pub fn remove_kafka_topic(broker: &str, topic: &str) {
    // Api key 20, version 1, correlation id 1, no client id, one topic, 60 s.
    let mut request = vec![0, 20, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 1];
    request.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
    request.extend(topic.as_bytes());
    request.extend(60_000_u32.to_be_bytes());
    let mut stream = TcpStream::connect(broker).unwrap();
    stream.write_all(&u32::try_from(request.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&request).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer).unwrap();
    // It ends with the error code of the one topic.
    assert_eq!(answer[answer.len() - 2..], [0, 0], "{topic} was not removed: {answer:?}");
}

/// Removes one record out of the middle of a topic of the embedded log, by `sqlite3`.
pub fn remove_embedded_record(file: &Path, topic: &str) {
    let ids = format!("SELECT partition_id FROM partitions JOIN topics USING (topic_id) WHERE name = '{topic}'");
    let status = Command::new("sqlite3")
        .arg("-bail")
        .arg(file)
        .arg(".timeout 60000")
        .arg(format!(
            "DELETE FROM records WHERE position IN
             (SELECT position FROM records WHERE position >> 40 IN ({ids}) ORDER BY position LIMIT 1 OFFSET 3);"
        ))
        .status()
        .unwrap();
    assert!(status.success());
}

/// Removes the records of a partition from Kafka, as retention does. Source of the format: Kafka protocol guide,
/// `DeleteRecords` version 0; offset -1 is the high watermark.
pub fn remove_kafka_records(broker: &str, topic: &str, partition: u32) {
    // Api key 21, version 0, correlation id 1, no client id, one topic.
    let mut request = vec![0, 21, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 1];
    request.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
    request.extend(topic.as_bytes());
    request.extend(1_u32.to_be_bytes());
    request.extend(partition.to_be_bytes());
    request.extend((-1_i64).to_be_bytes());
    request.extend(60_000_u32.to_be_bytes());
    let mut stream = TcpStream::connect(broker).unwrap();
    stream.write_all(&u32::try_from(request.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&request).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer).unwrap();
    // It ends with the error code of the one partition.
    assert_eq!(answer[answer.len() - 2..], [0, 0], "{topic}: {answer:?}");
}
