//! A real S3 server: S3Proxy from its Maven artifact, over a folder.
#![allow(dead_code, clippy::unwrap_used)]

use super::broker::free_port;
use super::broker::jars::{jars, java};
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A running server with one bucket, `snapshots`.
pub struct S3 {
    folder: tempfile::TempDir,
    libs: PathBuf,
    port: u16,
    child: Child,
}

impl S3 {
    /// Starts it; `None` where Java or Maven is missing.
    pub fn start() -> Option<S3> {
        let libs = jars("s3proxy-2.6.0", "org.gaul:s3proxy:2.6.0")?;
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let data = folder.path().join("data");
        fs::create_dir_all(data.join("snapshots")).unwrap();
        let properties = format!(
            "s3proxy.authorization=aws-v4\ns3proxy.endpoint=http://127.0.0.1:{port}\ns3proxy.identity=tester\n\
             s3proxy.credential=secret\njclouds.provider=filesystem-nio2\njclouds.identity=x\njclouds.credential=x\njclouds.filesystem.basedir={}\n",
            data.display()
        );
        fs::write(folder.path().join("s3.properties"), properties).unwrap();
        let child = run(&libs, &folder, port);
        Some(S3 { folder, libs, port, child })
    }

    /// What a client needs to know.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", "tester".into()),
            ("AWS_SECRET_ACCESS_KEY", "secret".into()),
        ]
    }

    /// The folder of the bucket.
    pub fn bucket(&self) -> PathBuf {
        self.folder.path().join("data/snapshots")
    }

    /// Kills it.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same data.
    pub fn start_again(&mut self) {
        self.child = run(&self.libs, &self.folder, self.port);
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(libs: &std::path::Path, folder: &tempfile::TempDir, port: u16) -> Child {
    let child = java(libs, "256m")
        .args(["org.gaul.s3proxy.Main", "--properties"])
        .arg(folder.path().join("s3.properties"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(60), "the S3 server does not start");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    child
}
