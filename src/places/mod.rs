//! Places of files by their URL: object stores (S3, Azure, Google) with the settings of the environment, and folders.

use anyhow::bail;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme, RetryConfig};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Environment variables with these beginnings are settings of the store: endpoint, region, credentials.
const SETTINGS: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// A request is tried again for so long: the next attempt comes anyhow, and who waits should hear why.
const RETRY_MAX: Duration = Duration::from_secs(20);

/// A store with the settings of the environment. The builders have no trait in common.
macro_rules! build {
    ($builder:ty, $url:expr) => {{
        let builder = <$builder>::new()
            .with_url($url)
            .with_retry(RetryConfig { retry_timeout: RETRY_MAX, ..RetryConfig::default() });
        let settings = std::env::vars().filter(|(key, _)| SETTINGS.iter().any(|s| key.starts_with(s)));
        let builder = settings.fold(builder, |builder, (key, value)| match key.to_ascii_lowercase().parse() {
            Ok(key) => builder.with_config(key, value),
            Err(_) => builder,
        });
        builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
    }};
}

/// The store that a URL names, and the path in it.
///
/// # Errors
/// When it is no URL of an object store, or a setting in the environment cannot be used.
pub fn store(url: &str) -> anyhow::Result<(Arc<dyn ObjectStore>, Path)> {
    let (scheme, path) = ObjectStoreScheme::parse(&Url::parse(url)?)?;
    let store = match scheme {
        ObjectStoreScheme::AmazonS3 => build!(AmazonS3Builder, url)?,
        ObjectStoreScheme::MicrosoftAzure => build!(MicrosoftAzureBuilder, url)?,
        ObjectStoreScheme::GoogleCloudStorage => build!(GoogleCloudStorageBuilder, url)?,
        ObjectStoreScheme::Local => Arc::new(LocalFileSystem::new()),
        _ => bail!("give it as s3://bucket/prefix, az://.., gs://.. or file:///.."),
    };
    Ok((store, path))
}
