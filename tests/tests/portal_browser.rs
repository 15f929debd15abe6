//! Real people's way through the portal, in a real browser: the tour says what it did, and leaves its pictures.

use std::path::Path;
use std::process::Command;

/// Three languages, phone and desk, with and without scripts.
const VISITS: usize = 12;
/// On hold, two steps done, still open, clean, back online.
const MOMENTS: usize = 5;

#[test]
fn every_reader_gets_from_typing_an_address_to_being_back_online() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("portal-pictures");
    // Pictures of an earlier run would count.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    let done = Command::new(env!("CARGO_BIN_EXE_portal_tour")).arg(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(said.lines().filter(|line| line.contains("back online")).count(), VISITS, "{said}");
    let pictures: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(pictures.len(), VISITS * MOMENTS, "{pictures:?}");
    for picture in pictures {
        let bytes = std::fs::read(&picture).unwrap();
        // An empty page of this size is a few kilobytes.
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 15_000, "{}: {} bytes", picture.display(), bytes.len());
    }
    println!("{said}pictures in {}", folder.display());
}
