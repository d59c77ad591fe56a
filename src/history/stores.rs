//! Delta tables in object stores: opened as all our stores are, with the settings of the environment. A commit is a file that must
//! not be there yet (a conditional put), so of two at once one is refused, as in a folder.

use crate::places;
use deltalake::logstore::{
    LogStore, LogStoreFactory, ObjectStoreFactory, ObjectStoreRef, StorageConfig, default_logstore, logstore_factories,
    object_store_factories,
};
use deltalake::{DeltaResult, DeltaTableError};
use object_store::path::Path;
use std::sync::{Arc, Once};
use url::Url;

/// Schemes of places that are no folder.
pub const SCHEMES: [&str; 3] = ["s3", "az", "gs"];

static KNOWN: Once = Once::new();

/// Makes them known to Delta.
pub fn register() {
    KNOWN.call_once(|| {
        for scheme in SCHEMES {
            let scheme = Url::parse(&format!("{scheme}://")).expect("a scheme");
            object_store_factories().insert(scheme.clone(), Arc::new(Stores));
            logstore_factories().insert(scheme, Arc::new(Stores));
        }
    });
}

struct Stores;

impl ObjectStoreFactory for Stores {
    fn parse_url_opts(&self, url: &Url, _: &StorageConfig) -> DeltaResult<(ObjectStoreRef, Path)> {
        places::store(url.as_str()).map_err(|error| DeltaTableError::Generic(format!("{url}: {error:#}")))
    }
}

impl LogStoreFactory for Stores {
    fn with_options(
        &self,
        store: ObjectStoreRef,
        root: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(store, root, location, options))
    }
}
