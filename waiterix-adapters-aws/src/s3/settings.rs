//! Where the objects are.

use std::net::Ipv4Addr;

use url::Url;
use waiterix_domain::blob_ref::Locations;
use waiterix_ports::vars::Vars;

/// Keys that start with this live in the public bucket, where there is one.
pub(super) const PUBLIC_PREFIX: &str = "public/";

/// What an endpoint must be.
const ENDPOINT: &str = "an http or https URL of a host, without user, path and query";

/// Which bucket holds which keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// All keys are in one bucket.
    One(String),
    /// Keys below `public/` are in a bucket that a CDN may deliver from, all others in one that nobody else reads.
    Two {
        /// The bucket of keys below `public/`.
        public: String,
        /// The bucket of all other keys.
        private: String,
    },
}

impl Layout {
    /// The bucket of a key.
    #[must_use]
    pub fn bucket_of(&self, key: &str) -> &str {
        match self {
            Self::One(bucket) => bucket,
            Self::Two { public, .. } if key.starts_with(PUBLIC_PREFIX) => public,
            Self::Two { private, .. } => private,
        }
    }

    /// Every bucket, once.
    #[must_use]
    pub fn buckets(&self) -> Vec<&str> {
        match self {
            Self::One(bucket) => vec![bucket],
            Self::Two { public, private } => vec![public, private],
        }
    }
}

/// Where the objects are. Which hosts deliver pictures (`CLOUDFRONT_DOMAIN`) is a setting of the service, because it
/// writes those URLs whatever the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// The main bucket: `AWS_S3_BUCKET`.
    pub main: String,
    /// Which bucket holds which keys: all the main one, unless a split is said.
    pub layout: Layout,
    /// The region of the buckets, if it is not the one of the other services.
    pub region: Option<String>,
    /// An endpoint instead of the one of AWS. Such an endpoint is addressed with the bucket in the path, because it
    /// rarely has a name for each bucket.
    pub endpoint: Option<Url>,
    /// The bucket of recordings on their way to the transcription service and of its answers.
    pub transcribe_bucket: Option<String>,
}

impl S3Settings {
    /// All objects in one bucket, in the region and at the endpoint of the configuration of all clients.
    #[must_use]
    pub fn of_bucket(bucket: impl Into<String>) -> Self {
        let main = bucket.into();
        Self {
            layout: Layout::One(main.clone()),
            main,
            region: None,
            endpoint: None,
            transcribe_bucket: None,
        }
    }

    /// Reads `AWS_S3_BUCKET`, `S3_PUBLIC_BUCKET` and `S3_PRIVATE_BUCKET` (both or neither), `AWS_S3_REGION`,
    /// `AWS_S3_TRANSCRIBE_BUCKET`, and `AWS_ENDPOINT_URL_S3` or else `AWS_ENDPOINT_URL`; problems are noted in `vars`.
    /// Without `AWS_S3_REGION` the region is `AWS_REGION`, which is read with the settings of all AWS adapters.
    #[must_use]
    pub fn read(vars: &mut Vars<'_>) -> Self {
        let main = vars.required("AWS_S3_BUCKET", "the S3 adapter needs the bucket of the objects");
        let public = vars.text("S3_PUBLIC_BUCKET");
        let private = vars.text("S3_PRIVATE_BUCKET");
        let transcribe_bucket = vars.text("AWS_S3_TRANSCRIBE_BUCKET");
        for (name, bucket) in [
            // A missing main bucket is a problem already.
            ("AWS_S3_BUCKET", Some(&main).filter(|main| !main.is_empty())),
            ("S3_PUBLIC_BUCKET", public.as_ref()),
            ("S3_PRIVATE_BUCKET", private.as_ref()),
            ("AWS_S3_TRANSCRIBE_BUCKET", transcribe_bucket.as_ref()),
        ] {
            if bucket.is_some_and(|bucket| !is_bucket(bucket)) {
                vars.problem(
                    name,
                    "must be the name of a bucket: 3 to 63 lower-case letters, digits, hyphens and single dots",
                );
            }
        }
        let layout = match (public, private) {
            (None, None) => Layout::One(main.clone()),
            (Some(public), Some(private)) => {
                if public == private {
                    // One bucket for both roles would make private objects as readable as public ones (B4).
                    vars.problem("S3_PRIVATE_BUCKET", "must be another bucket than S3_PUBLIC_BUCKET");
                }
                Layout::Two { public, private }
            }
            (Some(_), None) => {
                vars.problem("S3_PRIVATE_BUCKET", "is not set, but S3_PUBLIC_BUCKET is: set both or neither");
                Layout::One(main.clone())
            }
            (None, Some(_)) => {
                vars.problem("S3_PUBLIC_BUCKET", "is not set, but S3_PRIVATE_BUCKET is: set both or neither");
                Layout::One(main.clone())
            }
        };
        if let Some(name) = &transcribe_bucket
            && (*name == main || layout.buckets().contains(&name.as_str()))
        {
            // A rule that expires its objects must not reach pictures.
            vars.problem("AWS_S3_TRANSCRIBE_BUCKET", "must be a bucket of its own");
        }
        let region = vars.text("AWS_S3_REGION");
        if region.as_deref().is_some_and(|region| !is_region(region)) {
            vars.problem("AWS_S3_REGION", "must be a region such as eu-central-1");
        }
        let special = vars.parsed::<Url>("AWS_ENDPOINT_URL_S3", ENDPOINT);
        let general = vars.parsed::<Url>("AWS_ENDPOINT_URL", ENDPOINT);
        for (name, url) in [("AWS_ENDPOINT_URL_S3", &special), ("AWS_ENDPOINT_URL", &general)] {
            if url.as_ref().is_some_and(|url| !is_endpoint(url)) {
                vars.problem(name, format!("must be {ENDPOINT}"));
            }
        }
        let endpoint = special.or(general).filter(is_endpoint);
        Self { main, layout, region, endpoint, transcribe_bucket }
    }

    /// The settings of the store of recordings and transcripts, if there is a bucket for them.
    #[must_use]
    pub fn transcription(&self) -> Option<Self> {
        let bucket = self.transcribe_bucket.clone()?;
        Some(Self { region: self.region.clone(), endpoint: self.endpoint.clone(), ..Self::of_bucket(bucket) })
    }

    /// Adds what makes URLs of these buckets recognised as objects of our own. The bucket of recordings is not among
    /// them: rows never refer to it.
    pub fn locate(&self, locations: &mut Locations) {
        for bucket in self.layout.buckets().into_iter().chain([self.main.as_str()]) {
            if !bucket.is_empty() && !locations.buckets.iter().any(|known| known == bucket) {
                locations.buckets.push(bucket.to_owned());
            }
        }
        if let Some(endpoint) = &self.endpoint {
            locations.s3_endpoint = Some(endpoint.to_string());
        }
    }
}

/// The rules for general purpose buckets.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn is_bucket(name: &str) -> bool {
    let is_end = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| is_end(*b) || matches!(b, b'-' | b'.'))
        && bytes.first().copied().is_some_and(is_end)
        && bytes.last().copied().is_some_and(is_end)
        && !name.contains("..")
        && name.parse::<Ipv4Addr>().is_err()
}

fn is_region(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// The SDK writes the bucket behind the last byte of a path without a slash between them, so an endpoint has none.
fn is_endpoint(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.username().is_empty()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use waiterix_domain::blob_ref::Parsed;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (S3Settings, Vec<String>) {
        let map: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut vars = Vars::new(&map);
        let settings = S3Settings::read(&mut vars);
        (settings, vars.problems().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn one_bucket_is_enough() {
        let (settings, problems) = read(&[("AWS_S3_BUCKET", " pictures-1 ")]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(settings, S3Settings::of_bucket("pictures-1"));
        assert_eq!(settings.transcription(), None);
    }

    #[test]
    fn a_split_is_both_or_neither_and_the_main_bucket_stays_required() {
        let (settings, problems) =
            read(&[("AWS_S3_BUCKET", "main"), ("S3_PUBLIC_BUCKET", "open"), ("S3_PRIVATE_BUCKET", "closed")]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(settings.main, "main");
        for (key, bucket) in
            [("public/a", "open"), ("public", "closed"), ("publicity/a", "closed"), ("uploads/a", "closed")]
        {
            assert_eq!(settings.layout.bucket_of(key), bucket, "{key}");
        }
        for (pairs, blamed) in [
            (vec![("AWS_S3_BUCKET", "main"), ("S3_PUBLIC_BUCKET", "open")], "S3_PRIVATE_BUCKET"),
            (vec![("AWS_S3_BUCKET", "main"), ("S3_PRIVATE_BUCKET", "closed")], "S3_PUBLIC_BUCKET"),
            (vec![("S3_PUBLIC_BUCKET", "open"), ("S3_PRIVATE_BUCKET", "closed")], "AWS_S3_BUCKET"),
            (
                vec![("AWS_S3_BUCKET", "main"), ("S3_PUBLIC_BUCKET", "same"), ("S3_PRIVATE_BUCKET", "same")],
                "S3_PRIVATE_BUCKET",
            ),
            (
                vec![("AWS_S3_BUCKET", "main"), ("AWS_S3_TRANSCRIBE_BUCKET", "main")],
                "AWS_S3_TRANSCRIBE_BUCKET",
            ),
        ] {
            let (_, problems) = read(&pairs);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(blamed), "{problems:?}");
        }
    }

    #[test]
    fn every_problem_is_reported_at_once_by_name_and_without_its_value() {
        let (_, problems) = read(&[
            ("AWS_S3_BUCKET", "Pictures"),
            ("S3_PUBLIC_BUCKET", "a_b"),
            ("AWS_S3_TRANSCRIBE_BUCKET", "10.0.0.1"),
            ("AWS_S3_REGION", "Frankfurt!"),
            ("AWS_ENDPOINT_URL_S3", "ftp://hunter2@nowhere"),
        ]);
        let all = problems.join("\n");
        for name in [
            "AWS_S3_BUCKET",
            "S3_PUBLIC_BUCKET",
            "S3_PRIVATE_BUCKET",
            "AWS_S3_TRANSCRIBE_BUCKET",
            "AWS_S3_REGION",
            "AWS_ENDPOINT_URL_S3",
        ] {
            assert!(
                problems.iter().any(|problem| problem.starts_with(&format!("{name}:"))),
                "{name} in {all}"
            );
        }
        for value in ["Pictures", "a_b", "10.0.0.1", "Frankfurt", "hunter2"] {
            assert!(!all.contains(value), "{value} in {all}");
        }
    }

    #[test]
    fn endpoints_are_hosts() {
        for (url, is_fit) in [
            ("http://127.0.0.1:9000", true),
            ("https://objects.example.org/", true),
            ("https://objects.example.org/s3", false),
            ("https://objects.example.org/?x=y", false),
            ("https://anna@objects.example.org", false),
            ("s3://bucket", false),
            ("objects.example.org", false),
        ] {
            let (settings, problems) = read(&[("AWS_S3_BUCKET", "main"), ("AWS_ENDPOINT_URL", url)]);
            assert_eq!((settings.endpoint.is_some(), problems.is_empty()), (is_fit, is_fit), "{url}");
        }
    }

    #[test]
    fn names_of_buckets_are_those_that_s3_takes() {
        for good in ["abc", "a-b", "a.b", "1ab", &"a".repeat(63)] {
            assert!(is_bucket(good), "{good}");
        }
        for bad in [
            "",
            "ab",
            &"a".repeat(64),
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            ".ab",
            "ab.",
            "a..b",
            "1.2.3.4",
            "a/b",
            "a b",
            "äbc",
        ] {
            assert!(!is_bucket(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(bucket in ".{0,70}", region in ".{0,20}", endpoint in ".{0,40}") {
            let (settings, problems) = read(&[
                ("AWS_S3_BUCKET", bucket.as_str()),
                ("AWS_S3_REGION", region.as_str()),
                ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ]);
            prop_assert!(!problems.is_empty() || is_bucket(&settings.main));
        }
    }

    #[test]
    fn the_special_endpoint_wins_and_the_recordings_are_at_the_same_place() {
        let (settings, problems) = read(&[
            ("AWS_S3_BUCKET", "main"),
            ("AWS_S3_TRANSCRIBE_BUCKET", "recordings"),
            ("AWS_S3_REGION", "eu-west-3"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:2"),
        ]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(settings.endpoint.as_ref().unwrap().as_str(), "http://127.0.0.1:2/");
        let recordings = settings.transcription().unwrap();
        assert_eq!(recordings.layout, Layout::One("recordings".to_owned()));
        assert_eq!((&recordings.region, &recordings.endpoint), (&settings.region, &settings.endpoint));
    }

    /// **U4** to **U17**: once the settings have said where the buckets are, every way to write their URLs is one of ours,
    /// and the bucket of a stranger or of recordings is not.
    #[test]
    fn urls_of_the_configured_buckets_become_references() {
        let (settings, _) = read(&[
            ("AWS_S3_BUCKET", "main"),
            ("S3_PUBLIC_BUCKET", "open"),
            ("S3_PRIVATE_BUCKET", "my.closed"),
            ("AWS_S3_TRANSCRIBE_BUCKET", "recordings"),
            ("AWS_ENDPOINT_URL", "http://localhost:9000"),
        ]);
        let mut locations =
            Locations { cdn_domains: vec!["cdn.example.org".to_owned()], ..Locations::default() };
        settings.locate(&mut locations);
        settings.locate(&mut locations);
        assert_eq!(locations.buckets, ["open", "my.closed", "main"]);
        let own = "/api/objects/public/a%20b".to_owned();
        for bucket in ["main", "open", "my.closed"] {
            for url in [
                format!("https://{bucket}.s3.eu-west-1.amazonaws.com/public/a%20b"),
                format!("https://{bucket}.s3.amazonaws.com/public/a%20b?X-Amz-Signature=0"),
                format!("https://{bucket}.s3-eu-west-1.amazonaws.com/public/a%20b"),
                format!("https://s3.eu-west-1.amazonaws.com/{bucket}/public/a%20b"),
                format!("https://{bucket}.s3.dualstack.eu-west-1.amazonaws.com/public/a%20b"),
                format!("https://{bucket}.s3-fips.us-east-1.amazonaws.com/public/a%20b"),
                format!("https://{bucket}.s3-accelerate.amazonaws.com/public/a%20b"),
                format!("https://{bucket}.s3.cn-north-1.amazonaws.com.cn/public/a%20b"),
                format!("http://{bucket}.s3-website-us-east-1.amazonaws.com/public/a%20b"),
                format!("s3://{bucket}/public/a%20b"),
                format!("arn:aws:s3:::{bucket}/public/a%20b"),
                format!("http://localhost:9000/{bucket}/public/a%20b"),
                format!("http://{bucket}.localhost:9000/public/a%20b"),
                "https://cdn.example.org/public/a%20b".to_owned(),
            ] {
                assert_eq!(locations.parse(&url).to_text().as_ref(), Some(&own), "{url}");
            }
        }
        for foreign in ["https://recordings.s3.amazonaws.com/k", "https://evil.s3.amazonaws.com/k"] {
            assert!(matches!(locations.parse(foreign), Parsed::External(_)), "{foreign}");
        }
    }
}
