//! Real people's way through the portal, in a real browser: the tour says what it did, and leaves its pictures.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Who visits, how many of them, and how many pictures each leaves: residents on hold, with two steps done, still open, clean
/// and back online; warned lines, with what was seen, open, shut, and the figures; lines that are well, with their page, the
/// self-check and a link that is not ours; the console's preview with its page, a refused colour, a new one, and what to write.
const VISITS: [(&str, usize, usize); 4] = [("held", 12, 5), ("free", 6, 5), ("well", 6, 3), ("console", 2, 4)];

#[test]
fn every_reader_gets_to_where_the_pages_lead() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("portal-pictures");
    // Pictures of an earlier run would count.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    let done = Command::new(env!("CARGO_BIN_EXE_portal_tour")).arg(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let pictures: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    for (who, visits, moments) in VISITS {
        let done = said.lines().filter(|line| line.starts_with(who) && line.contains(": done after ")).count();
        let of = |path: &&PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(who));
        assert_eq!((done, pictures.iter().filter(of).count()), (visits, visits * moments), "{who}: {said}");
    }
    for picture in pictures {
        let bytes = std::fs::read(&picture).unwrap();
        // An empty page of this size is a few kilobytes.
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 15_000, "{}: {} bytes", picture.display(), bytes.len());
    }
    println!("{said}pictures in {}", folder.display());
}
