//! Hosts that hold objects: our own, CDNs, S3 in all its spellings, Google Cloud Storage.

use url::Url;

use super::{Fault, Locations, Place, Storage, object_path};

/// Host name in lower case, with port if it is not the default of the scheme.
fn normalised(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Whether a configured host is this one; a scheme or a slash that slipped into the configuration does no harm.
fn is_host(configured: &str, host: &str) -> bool {
    let bare = configured.split_once("://").map_or(configured, |(_, rest)| rest);
    bare.trim_end_matches('/').eq_ignore_ascii_case(host)
}

/// What an `http` or `https` URL means, if its host is one that may hold objects of ours. `path` is the path as it was
/// written: a URL library would resolve `..` and hide it.
pub(super) fn recognise<'a>(
    locations: &Locations,
    scheme: &str,
    authority: &str,
    path: &'a str,
) -> Result<Option<Place<'a>>, Fault> {
    let url = Url::parse(&format!("{scheme}://{authority}/")).map_err(|_| Fault::Host)?;
    let host = normalised(&url).ok_or(Fault::Host)?;
    if locations.own_hosts.iter().any(|own| is_host(own, &host))
        && let Some(key) = own_path(path)
    {
        return Ok(Some(Place::own(key)));
    }
    if locations.cdn_domains.iter().any(|cdn| is_host(cdn, &host)) {
        return Ok(Some(Place::own(path.strip_prefix('/').unwrap_or_default())));
    }
    let custom = locations.s3_endpoint.as_deref().and_then(|endpoint| custom_endpoint(endpoint, &host, path));
    Ok(custom.or_else(|| amazon(&host, path)).or_else(|| google(&host, path)))
}

/// The key in a path of the API, which may stand behind the name of an API Gateway stage.
fn own_path(path: &str) -> Option<&str> {
    object_path(path).or_else(|| {
        let (stage, rest) = path.strip_prefix('/')?.split_once('/')?;
        let is_stage = (1..=128).contains(&stage.len())
            && stage.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        is_stage.then(|| rest.strip_prefix("api/objects/")).flatten()
    })
}

/// Bucket and path of `/<bucket>/<path>`.
fn path_style(path: &str, storage: Storage) -> Option<Place<'_>> {
    let inside = path.strip_prefix('/')?;
    let (bucket, path) = inside.split_once('/').unwrap_or((inside, ""));
    Some(Place { storage, bucket: bucket.to_owned(), path })
}

fn virtual_hosted<'a>(bucket: &str, path: &'a str, storage: Storage) -> Place<'a> {
    Place { storage, bucket: bucket.to_owned(), path: path.strip_prefix('/').unwrap_or_default() }
}

/// `<endpoint>/B/k`, where the endpoint may have a path of its own, or `<B>.<endpoint host>/k`.
fn custom_endpoint<'a>(endpoint: &str, host: &str, path: &'a str) -> Option<Place<'a>> {
    let endpoint = Url::parse(endpoint).ok()?;
    let own = normalised(&endpoint)?;
    if own == host {
        let inside = path.strip_prefix(endpoint.path().trim_end_matches('/'))?;
        return path_style(inside, Storage::S3);
    }
    let bucket = host.strip_suffix(&own)?.strip_suffix('.')?;
    Some(virtual_hosted(bucket, path, Storage::S3))
}

/// S3 of AWS, in every partition that has public names.
fn amazon<'a>(host: &str, path: &'a str) -> Option<Place<'a>> {
    let name = host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))?;
    let labels: Vec<&str> = name.split('.').collect();
    // The longest service name wins, so that `b.s3.dualstack.<region>` is not taken for a bucket on something shorter.
    for length in (1..=labels.len().min(3)).rev() {
        let (bucket, service) = labels.split_at(labels.len() - length);
        let Some(style) = s3_service(service) else { continue };
        if bucket.is_empty() {
            return (style == Style::Both).then(|| path_style(path, Storage::S3)).flatten();
        }
        return Some(virtual_hosted(&bucket.join("."), path, Storage::S3));
    }
    None
}

/// How a service of S3 may be addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// With the bucket in the host name or in the path.
    Both,
    /// With the bucket in the host name only.
    Virtual,
}

/// Whether labels of a host name, without the bucket in front and the partition behind them, are a service of S3.
fn s3_service(labels: &[&str]) -> Option<Style> {
    let dashed = |label: &str, service: &str| {
        label.strip_prefix(service).and_then(|rest| rest.strip_prefix('-')).is_some_and(is_region)
    };
    match *labels {
        ["s3"] => Some(Style::Both),
        ["s3-accelerate"] | ["s3-accelerate", "dualstack"] => Some(Style::Virtual),
        [label] if dashed(label, "s3-website") => Some(Style::Virtual),
        [label] if dashed(label, "s3") => Some(Style::Both),
        ["s3-website", region] if is_region(region) => Some(Style::Virtual),
        ["s3" | "s3-fips", region] if is_region(region) => Some(Style::Both),
        ["s3" | "s3-fips", "dualstack", region] if is_region(region) => Some(Style::Both),
        _ => None,
    }
}

/// Whether a label has the form of a region: `eu-west-1`, `us-gov-east-1`, or the old name of a part of one.
fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match parts.as_slice() {
        ["external", number] => is_number(number),
        [area, places @ .., number] => {
            area.len() == 2
                && is_word(area)
                && !places.is_empty()
                && places.iter().all(is_word)
                && is_number(number)
        }
        _ => false,
    }
}

/// Google Cloud Storage: JSON API, path form, authenticated browser form, bucket in the host name.
fn google<'a>(host: &str, path: &'a str) -> Option<Place<'a>> {
    match host {
        "storage.googleapis.com" => json_api(path).or_else(|| path_style(path, Storage::Gcs)),
        "www.googleapis.com" => json_api(path),
        "storage.cloud.google.com" => path_style(path, Storage::Gcs),
        _ => {
            let bucket = host.strip_suffix(".storage.googleapis.com")?;
            Some(virtual_hosted(bucket, path, Storage::Gcs))
        }
    }
}

fn json_api(path: &str) -> Option<Place<'_>> {
    let path = path.strip_prefix("/download").unwrap_or(path);
    let (bucket, object) = path.strip_prefix("/storage/v1/b/")?.split_once("/o/")?;
    Some(Place { storage: Storage::Gcs, bucket: bucket.to_owned(), path: object })
}
