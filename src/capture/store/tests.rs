//! What goes into the store comes out of it, in either form, and not beyond its quota.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::Read;

use dropbridge_port::ErrorKind;

use super::*;

const ACCOUNT: Account<'_> = Account { feed: "orders", quota: None };

fn store(compression: Compression, quota: Option<u64>) -> (tempfile::TempDir, Store) {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path(), StoreOptions { compression, quota }).unwrap();
    (root, store)
}

fn put(store: &Store, bytes: &[u8]) -> ContentHash {
    let hash = ContentHash::of(bytes);
    store.put(hash, bytes, ACCOUNT).unwrap();
    hash
}

fn read(store: &Store, hash: ContentHash) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    store.read(hash).unwrap().read_to_end(&mut bytes).map(|_| bytes)
}

/// Bytes that nothing can make smaller: hashes of numbers.
fn noise(blocks: u64) -> Vec<u8> {
    (0..blocks)
        .flat_map(|block| ContentHash::of(&block.to_le_bytes()).to_string().into_bytes())
        .collect::<Vec<u8>>()
        .chunks(2)
        .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn what_goes_in_comes_out_in_either_form() {
    for compression in [Compression::None, Compression::Zstd] {
        let (_root, store) = store(compression, None);
        for bytes in [Vec::new(), b"x".to_vec(), b"ORD|12.50\n".repeat(100_000), noise(20_000)] {
            let hash = put(&store, &bytes);
            assert!(read(&store, hash).unwrap() == bytes, "{compression:?}, {} bytes", bytes.len());
            assert_eq!(store.size(hash).unwrap(), bytes.len() as u64);
            store.remove(hash).unwrap();
            assert!(!store.contains(hash));
        }
        assert_eq!(store.list().unwrap(), []);
    }
}

#[test]
fn text_becomes_small_and_noise_hardly_larger() {
    let (_root, store) = store(Compression::Zstd, None);
    let (text, noise) = (b"ORD|12.50\n".repeat(100_000), noise(100_000));
    put(&store, &text);
    let hash = put(&store, &noise);
    let objects = store.list().unwrap();
    let total: u64 = objects.iter().map(|object| object.stored_bytes).sum();
    let of_noise = objects.iter().find(|object| object.hash == hash).unwrap().stored_bytes;
    assert!(of_noise < noise.len() as u64 + 200, "{} bytes became {of_noise}", noise.len());
    assert!(total - of_noise < text.len() as u64 / 100, "{} bytes became {}", text.len(), total - of_noise);
}

#[test]
fn an_object_of_an_older_store_is_read_and_counted_with_its_twin() {
    let (root, store) = store(Compression::Zstd, None);
    let bytes = b"ORD|12.50\n";
    let hash = ContentHash::of(bytes);
    let old = root.path().join("objects").join(&hash.to_string()[..2]).join(hash.to_string());
    fs::create_dir(old.parent().unwrap()).unwrap();
    fs::write(&old, bytes).unwrap();
    assert_eq!(read(&store, hash).unwrap(), bytes);
    assert_eq!(store.size(hash).unwrap(), 10);
    // Spooled again, it lies there in the new form, too.
    let mut staged = store.begin(ACCOUNT).unwrap();
    staged.write(bytes).unwrap();
    staged.place(hash).unwrap();
    let compressed = old.with_extension("zst").metadata().unwrap().len();
    let [object] = store.list().unwrap()[..] else { panic!("one object") };
    assert_eq!((object.hash, object.stored_bytes), (hash, 10 + compressed));
    store.remove(hash).unwrap();
    assert!(!old.exists() && !old.with_extension("zst").exists());
}

#[test]
fn an_object_that_was_cut_off_or_changed_is_corrupt() {
    let (_root, store) = store(Compression::Zstd, None);
    let bytes = noise(10_000);
    let hash = put(&store, &bytes);
    let path = store.objects.path(hash, Compression::Zstd);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(read(&store, hash).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    assert_eq!(store.size(hash).unwrap_err().kind, ErrorKind::Corrupt);
    fs::write(&path, b"no frame at all, but some other text").unwrap();
    assert_eq!(read(&store, hash).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    assert_eq!(store.size(hash).unwrap_err().kind, ErrorKind::Corrupt);
}

#[test]
fn a_quota_bounds_what_is_written_and_room_comes_back() {
    let (root, store) = store(Compression::None, Some(1000));
    let first = put(&store, &[b'a'; 600]);
    let error = store.put(ContentHash::of(b"?"), &[b'b'; 401], ACCOUNT).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    assert!(error.message.contains("quota of 1000 B"), "{error}");
    assert!(store.room_was_wanted() && !store.room_was_wanted());
    assert_eq!(fs::read_dir(root.path().join("incoming")).unwrap().count(), 0, "nothing is left of it");
    put(&store, &[b'b'; 400]);
    assert!(store.begin(ACCOUNT).is_err(), "it is full");
    store.remove(first).unwrap();
    put(&store, &[b'c'; 600]);
    // A store that is opened anew counts what is there.
    let again = Store::open(root.path(), StoreOptions { compression: Compression::None, quota: Some(1000) }).unwrap();
    assert!(again.begin(ACCOUNT).is_err());
}

#[test]
fn a_feed_has_a_quota_of_its_own() {
    let (_root, store) = store(Compression::None, None);
    let bounded = Account { feed: "bids", quota: Some(100) };
    let hash = put(&store, &[b'a'; 90]);
    store.put(ContentHash::of(b"1"), &[b'b'; 50], bounded).unwrap();
    store.count(&store.list().unwrap(), [(hash, "bids")].into_iter()).unwrap();
    let error = store.begin(bounded).err().expect("90 and 50 are more than 100");
    assert!(error.message.contains("feed `bids`"), "{error}");
    store.begin(ACCOUNT).unwrap();
}

#[test]
fn an_object_at_work_is_not_purged() {
    let (_root, store) = store(Compression::Zstd, None);
    let hash = put(&store, b"bytes");
    let lease = store.lease(hash);
    assert!(!store.remove_unleased(hash).unwrap());
    drop(lease);
    assert!(store.contains(hash), "a purge that was refused is not made up for");
    assert!(store.remove_unleased(hash).unwrap());
    assert!(!store.contains(hash));
}
