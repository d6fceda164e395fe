//! All servers of a run.

use std::collections::BTreeMap;

use url::Url;

use crate::{Backend, Fault, Running, dynalite, gcs, ministack, pgbouncer, postgres, redis};

/// Servers that were given or started. They end when this is dropped.
#[derive(Debug, Default)]
pub struct Fleet {
    urls: BTreeMap<Backend, Url>,
    started: Vec<Running>,
    #[cfg(feature = "docker")]
    containers: Vec<crate::docker::Contained>,
}

/// How a server came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Named by the environment.
    Given,
    /// In a container.
    Docker,
    /// A local program.
    Local,
}

impl Origin {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Docker => "in a container",
            Self::Local => "started here",
        }
    }
}

impl Fleet {
    /// Finds or starts a server of one kind. `variables` is the environment.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn launch(
        &mut self,
        backend: Backend,
        variables: &BTreeMap<String, String>,
    ) -> Result<(Url, Origin), Fault> {
        let named = variables.get(backend.variable()).filter(|text| !text.is_empty());
        let (url, origin) = match named.and_then(|text| Url::parse(text).ok()) {
            Some(url) => (url, Origin::Given),
            None => self.start(backend)?,
        };
        self.urls.insert(backend, url.clone());
        Ok((url, origin))
    }

    /// The servers there are, as variables for the tests.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<&'static str, String> {
        self.urls.iter().map(|(backend, url)| (backend.variable(), url.to_string())).collect()
    }

    fn start(&mut self, backend: Backend) -> Result<(Url, Origin), Fault> {
        #[cfg(feature = "docker")]
        if let Some(contained) = crate::docker::start(backend) {
            let url = contained.url.clone();
            self.containers.push(contained);
            return Ok((url, Origin::Docker));
        }
        let running = match backend {
            Backend::Postgres => postgres::start(&postgres::Options::default()),
            Backend::PgBouncer => match self.urls.get(&Backend::Postgres) {
                Some(postgres) => pgbouncer::start(postgres),
                None => Err(Fault::Missing {
                    program: "pgbouncer",
                    why: "there is no PostgreSQL to stand in front of".to_owned(),
                    remedy: "see what is said of PostgreSQL".to_owned(),
                }),
            },
            Backend::Redis => redis::start(&redis::Options::default()),
            Backend::Aws => ministack::start(),
            Backend::Dynalite => dynalite::start(),
            Backend::Gcs => gcs::start(),
        }?;
        let url = running.url().clone();
        self.started.push(running);
        Ok((url, Origin::Local))
    }
}
