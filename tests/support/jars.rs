//! Java programs from their Maven artifacts.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn has(tool: &str) -> bool {
    Command::new(tool).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

fn pom(artifacts: &str) -> String {
    let dependency = |artifact: &str| {
        let [group, name, version] = artifact.split(':').collect::<Vec<_>>()[..] else { panic!("{artifact}") };
        format!(
            "<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version></dependency>"
        )
    };
    let dependencies: String = artifacts.split(' ').map(dependency).collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion><groupId>test</groupId>\
         <artifactId>jars</artifactId><version>1</version><dependencies>{dependencies}</dependencies></project>"
    )
}

/// The folder of the jars of these artifacts (`group:name:version ..`) and all they need, fetched once per machine; `None`,
/// with a notice, where Java or Maven is missing (in CI that is a failure).
pub fn jars(name: &str, artifacts: &str) -> Option<PathBuf> {
    if !has("java") || !has("mvn") {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "Java 17 and Maven are required in CI");
        println!("SKIPPED: Java or Maven is missing, no test against a real {name}");
        return None;
    }
    let cache = std::env::var("XDG_CACHE_HOME")
        .map_or_else(|_| PathBuf::from(std::env::var("HOME").unwrap()).join(".cache"), PathBuf::from);
    let folder = cache.join("foreshock").join(name);
    let done = folder.join("complete");
    fs::create_dir_all(&folder).unwrap();
    // Tests of one binary, or several, may want them at once.
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    if !done.exists() {
        fs::write(folder.join("pom.xml"), pom(artifacts)).unwrap();
        let status = Command::new("mvn")
            .args(["-q", "dependency:copy-dependencies", "-DoutputDirectory=libs"])
            .current_dir(&folder)
            .status()
            .unwrap();
        assert!(status.success(), "maven cannot fetch {name}");
        File::create(done).unwrap();
    }
    Some(folder.join("libs"))
}

/// A program of these jars.
pub fn java(libs: &Path, heap: &str) -> Command {
    let mut command = Command::new("java");
    command.arg(format!("-Xmx{heap}")).arg("-cp").arg(format!("{}/*", libs.display()));
    command
}
