//! The house: rooms of the root package import downwards only, so none of them is in a circle with another.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The rooms from the ground up: each may import those before it. The crates below are held by Cargo.
const FLOORS: [&[&str]; 10] = [
    &["places"],
    &["rights"],
    &["history", "kafka", "state"],
    &["ops"],
    &["rules"],
    &["institution", "offline", "writer"],
    &["evidence"],
    &["serve"],
    &["cli"],
    &["main", "lib"],
];

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let below = folders.iter().flat_map(|folder| source_files(folder));
    files.into_iter().chain(below).filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}

/// The rooms that a file names after `crate::`.
fn imports(text: &str) -> BTreeSet<&str> {
    text.split("crate::")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
        .collect()
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

#[test]
fn a_room_of_the_root_package_imports_only_rooms_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut arrows = 0;
    for (number, rooms) in FLOORS.iter().enumerate().take(FLOORS.len() - 1) {
        for room in *rooms {
            let files = source_files(&src.join(room));
            assert!(!files.is_empty(), "there is no room `{room}`");
            for file in files {
                let text = std::fs::read_to_string(&file).unwrap();
                for other in imports(&text).into_iter().filter(|other| other != room) {
                    let below = floor(other).is_some_and(|below| below < number);
                    assert!(below, "{} of `{room}` imports `{other}`, which is not below it", file.display());
                    arrows += 1;
                }
            }
        }
    }
    assert!(arrows > 20, "the imports are found");
}

#[test]
fn every_folder_of_the_root_package_is_a_room_with_a_floor() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in std::fs::read_dir(src).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let is_crate = path.join("Cargo.toml").exists();
        assert!(is_crate || floor(&name).is_some(), "`{name}` has no floor in tests/house.rs");
    }
}
