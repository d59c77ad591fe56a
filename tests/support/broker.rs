//! A real Apache Kafka in KRaft mode from its Maven artifacts, on free ports, for one test.
#![allow(dead_code, clippy::unwrap_used)]

#[path = "jars.rs"]
pub mod jars;

use jars::{jars, java};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const ARTIFACTS: &str =
    "org.apache.kafka:kafka_2.13:4.1.2 org.apache.kafka:kafka-tools:4.1.2 org.slf4j:slf4j-simple:1.7.36";

/// A running broker.
pub struct Broker {
    folder: tempfile::TempDir,
    libs: PathBuf,
    port: u16,
    child: Child,
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Broker {
    /// Starts a broker; `None`, with a notice, where Java or Maven is missing (in CI that is a failure).
    pub fn start() -> Option<Broker> {
        let libs = jars("kafka-4.1.2", ARTIFACTS)?;
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let controller = free_port();
        let properties = format!(
            "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\ninter.broker.listener.name=PLAINTEXT\n\
             controller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\nlog.dirs={}\n\
             offsets.topic.replication.factor=1\noffsets.topic.num.partitions=4\ntransaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\ngroup.initial.rebalance.delay.ms=0\nauto.create.topics.enable=false\n",
            folder.path().join("data").display()
        );
        fs::write(folder.path().join("server.properties"), properties).unwrap();
        let format = java(&libs, "256m")
            .args(["kafka.tools.StorageTool", "format", "--standalone", "-t", "Zm9yZXNob2NrLXRlc3QtMQ", "-c"])
            .arg(folder.path().join("server.properties"))
            .output()
            .unwrap();
        assert!(format.status.success(), "{}", String::from_utf8_lossy(&format.stderr));
        let child = run(&libs, folder.path());
        Some(Broker { folder, libs, port, child })
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Stops the broker and starts it again on the same data.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Kills the broker.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same data.
    pub fn start_again(&mut self) {
        self.child = run(&self.libs, self.folder.path());
    }

    /// Kafka's own console producer: one record for each line.
    pub fn produce(&self, topic: &str, lines: &[String]) {
        let mut child = java(&self.libs, "256m")
            .args(["org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", &self.address(), "--topic", topic])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        for line in lines {
            writeln!(input, "{line}").unwrap();
        }
        drop(input);
        assert!(child.wait().unwrap().success(), "the console producer failed");
    }

    /// Kafka's own console consumer: the first `count` records of a topic.
    pub fn consume(&self, topic: &str, count: usize) -> Vec<String> {
        let output = java(&self.libs, "256m")
            .args(["org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", &self.address()])
            .args(["--topic", topic, "--from-beginning", "--max-messages", &count.to_string(), "--timeout-ms", "60000"])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the broker process and returns when its log says that it runs.
fn run(libs: &Path, folder: &Path) -> Child {
    let mut child = java(libs, "512m")
        .args(["kafka.Kafka"])
        .arg(folder.join("server.properties"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let start = Instant::now();
    let mut line = String::new();
    while !line.contains("Kafka Server started") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "the broker ended while starting");
        assert!(start.elapsed() < Duration::from_secs(120), "the broker did not start");
    }
    // Somebody must go on reading, or the broker blocks on a full pipe.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    child
}
