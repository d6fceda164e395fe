//! What must never pass for an object of ours, and what holds for every form.

mod forms;

use proptest::prelude::*;

use super::{BlobRef, Fault, LegacyDir, LegacyObject, Locations, Parsed};

const MANAGED: &str = "replit-objstore-0a1b2c3d-0000-4000-8000-000000000001";

fn locations() -> Locations {
    Locations {
        own_hosts: vec![
            "api.waiterix.example".into(),
            "app.waiterix.example".into(),
            "localhost:5000".into(),
        ],
        cdn_domains: vec!["cdn.waiterix.example".into(), "d111.cloudfront.example".into()],
        buckets: vec!["main-bucket".into(), "dotted.main.bucket".into()],
        s3_endpoint: Some("http://minio.internal:9000".into()),
        legacy_private: LegacyDir::parse("/legacy-bucket/.private/"),
        legacy_public: LegacyDir::parse_list(&format!("/legacy-bucket/public, /{MANAGED}/shared/pictures"))
            .unwrap(),
    }
}

fn parse(text: &str) -> Parsed {
    locations().parse(text)
}

#[track_caller]
fn own(key: &str, forms: &[&str]) {
    for form in forms {
        assert_eq!(parse(form), Parsed::Own(BlobRef::new(key).unwrap()), "{form}");
    }
}

#[track_caller]
fn external(forms: &[&str]) {
    for form in forms {
        assert_eq!(parse(form), Parsed::External((*form).to_owned()), "{form}");
    }
}

#[track_caller]
fn stock(forms: &[&str]) {
    for form in forms {
        assert_eq!(parse(form), Parsed::Static((*form).to_owned()), "{form}");
    }
}

#[track_caller]
fn invalid(fault: Fault, forms: &[&str]) {
    for form in forms {
        assert_eq!(parse(form), Parsed::Invalid(fault), "{form}");
    }
}

#[test]
fn a_foreign_bucket_on_a_known_host_is_external() {
    external(&[
        "https://other.s3.eu-west-1.amazonaws.com/k",
        "https://s3.amazonaws.com/other/k",
        "https://main-bucket.other.s3.amazonaws.com/k",
        "https://other.main-bucket.s3.amazonaws.com/k",
        "s3://other/k",
        "arn:aws:s3:::other/k",
        // Path-style buckets are no host names: their case counts.
        "https://s3.amazonaws.com/Main-Bucket/k",
    ]);
}

#[test]
fn hosts_match_by_exact_suffix_and_never_by_substring() {
    external(&[
        "https://main-bucket.s3.eu-west-1.amazonaws.com.evil.example/k",
        "https://main-bucket.s3.evil.example/k",
        "https://main-bucket.s3.eu-west-1.evilamazonaws.com/k",
        "https://main-bucket.s3x.amazonaws.com/k",
        "https://main-bucket.s3-evil.amazonaws.com/k",
        "https://main-bucket.execute-api.eu-west-1.amazonaws.com/k",
        "https://main-bucket.s3.eu-west.amazonaws.com/k",
        "https://evil.example/main-bucket.s3.eu-west-1.amazonaws.com/k",
        "https://evil.example/?u=https://main-bucket.s3.amazonaws.com/k",
        "https://evil.example#@main-bucket.s3.amazonaws.com/k",
        "https://legacy-bucket.storage.googleapis.com.evil.example/.private/k",
        "https://evilminio.internal:9000/main-bucket/k",
        "https://xcdn.waiterix.example/k",
        "https://x.cdn.waiterix.example/k",
    ]);
}

#[test]
fn user_info_broken_hosts_and_backslashes_are_refused() {
    invalid(
        Fault::Host,
        &[
            "https://user@api.waiterix.example/api/objects/k",
            "https://api.waiterix.example:pw@evil.example/api/objects/k",
            "https://main-bucket.s3.amazonaws.com@evil.example/k",
            "https:///k",
            "https:/api.waiterix.example/api/objects/k",
            "https:api.waiterix.example/api/objects/k",
            "https://a b/k",
            "https://x:99999/k",
            "https://[::1/k",
        ],
    );
    invalid(
        Fault::Backslash,
        &[
            "https://evil.example\\@api.waiterix.example/api/objects/k",
            "https:\\\\api.waiterix.example\\api\\objects\\k",
            "/\\evil.example/k",
            "\\\\evil.example\\k",
            "/api/objects/a\\b",
            "a\\b.jpg",
        ],
    );
    invalid(
        Fault::Path,
        &["//evil.example/api/objects/k", "//api.waiterix.example/objects/k", "///objects/k"],
    );
}

#[test]
fn encoded_hosts_are_compared_as_browsers_read_them() {
    own("k", &["https://main-bucket%2Es3.amazonaws.com/k", "https://main-bucket.s3.amazonaws.com/k"]);
}

#[test]
fn paths_are_decoded_once_and_malformed_sequences_are_refused() {
    own("a%2Fb", &["/api/objects/a%252Fb"]);
    own("a+b", &["https://main-bucket.s3.amazonaws.com/a+b", "s3://main-bucket/a%2Bb"]);
    own("a\\b", &["/api/objects/a%5Cb"]);
    invalid(
        Fault::Encoding,
        &[
            "/api/objects/%",
            "/api/objects/%4",
            "/objects/%zz",
            "/objects/%+1",
            "/objects/%FF",
            "https://cdn.waiterix.example/%C3%28",
            "s3://main-bucket/%e4",
            "/objects/%é",
        ],
    );
}

#[test]
fn malformed_keys_are_refused_whatever_their_form() {
    let long = "k".repeat(1025);
    for prefix in [
        "/api/objects/",
        "/objects/",
        "https://main-bucket.s3.amazonaws.com/",
        "s3://main-bucket/",
        "/main-bucket/",
    ] {
        for key in
            ["", "/k", "%2Fk", "../k", "a/../k", "a/..", "./k", "a/%2E%2e/k", "%00", "a%0Ab", "%C2%85", &long]
        {
            assert_eq!(parse(&format!("{prefix}{key}")), Parsed::Invalid(Fault::Key), "{prefix}{key}");
        }
        assert!(matches!(parse(&format!("{prefix}{}", &long[1..])), Parsed::Own(_)));
    }
    own("...", &["/objects/..."]);
    own("a//b/", &["/objects/a//b/"]);
}

#[test]
fn the_longest_legacy_folder_decides_and_only_at_a_segment_boundary() {
    let nested = Locations {
        legacy_private: LegacyDir::parse("b/app"),
        legacy_public: LegacyDir::parse_list("/b/app/public,/b/app/public/deep,/b/app").unwrap(),
        ..Locations::default()
    };
    for (object, key) in [
        ("app/x", Some("x")),
        ("app/public/x", Some("public/x")),
        ("app/public/deep/x", Some("public/x")),
        ("app/publicity/x", Some("publicity/x")),
        ("application/x", None),
        ("app", None),
        ("app/", None),
        ("x/app/y", None),
    ] {
        assert_eq!(nested.legacy_key("b", object).as_deref(), key, "{object}");
        assert_eq!(nested.legacy_key("c", object), None);
    }
}

#[test]
fn keys_lead_back_to_the_legacy_places_in_order() {
    let place = |bucket: &str, object: &str| LegacyObject { bucket: bucket.into(), object: object.into() };
    assert_eq!(locations().legacy_places("uploads/1"), [place("legacy-bucket", ".private/uploads/1")]);
    assert_eq!(
        locations().legacy_places("public/a/1"),
        [place("legacy-bucket", "public/a/1"), place(MANAGED, "shared/pictures/a/1")]
    );
    assert_eq!(locations().legacy_places("publicity/1"), [place("legacy-bucket", ".private/publicity/1")]);
    assert!(Locations::default().legacy_places("uploads/1").is_empty());
}

#[test]
fn legacy_folders_are_read_tolerantly_but_need_bucket_and_folder() {
    for text in ["/b/d", "b/d", " /b/d/ ", "b/d//"] {
        assert_eq!(LegacyDir::parse(text), LegacyDir::parse("/b/d"), "{text}");
    }
    for bad in ["", "/", "b", "/b", "/b/", "//d", "b//"] {
        assert_eq!(LegacyDir::parse(bad), None, "{bad}");
    }
    assert_eq!(LegacyDir::parse_list(" /b/d, ,b/e/,/b/d ").unwrap().len(), 2);
    assert_eq!(LegacyDir::parse_list("/b/d,/b"), None);
    assert_eq!(LegacyDir::parse_list(""), Some(Vec::new()));
    assert_eq!(LegacyDir::parse("/b/d").unwrap().bucket(), "b");
}

#[test]
fn nothing_is_own_without_configuration_but_paths_of_the_api() {
    let none = Locations::default();
    assert!(matches!(none.parse("/objects/k"), Parsed::Own(_)));
    for text in
        ["https://main-bucket.s3.amazonaws.com/k", "https://cdn.waiterix.example/k", "gs://b/o", "s3://b/k"]
    {
        assert_eq!(none.parse(text), Parsed::External(text.to_owned()));
    }
}

#[test]
fn delivery_urls_are_encoded_and_lead_back() {
    let reference = BlobRef::new("public/ä b?#%").unwrap();
    assert_eq!(
        reference.cdn_url("cdn.waiterix.example"),
        "https://cdn.waiterix.example/public/%C3%A4%20b%3F%23%25"
    );
    own(reference.key(), &[&reference.cdn_url("cdn.waiterix.example"), &reference.to_string()]);
}

/// Texts made of the very pieces that mean something.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "https://",
        "http://",
        "s3://",
        "gs://",
        "arn:aws:s3:::",
        "javascript:",
        "/api/objects/",
        "/objects/",
        "//",
        "/",
        "\\",
        "@",
        ":",
        "?",
        "#",
        "%",
        "%2e",
        "%2F",
        "%00",
        "%C3",
        "%A4",
        "..",
        ".",
        "+",
        " ",
        "\n",
        "k",
        "ä",
        "[",
        "]",
        "main-bucket",
        "legacy-bucket",
        ".s3",
        ".amazonaws.com",
        ".cn",
        "eu-west-1",
        "s3-",
        ".dualstack",
        "storage.googleapis.com",
        "/storage/v1/b/",
        "/o/",
        ".private/",
        "public/",
        "api.waiterix.example",
        "cdn.waiterix.example",
        "minio.internal:9000",
        "/assets/",
        "\u{10FFFF}",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn normalising_twice_is_normalising_once(text in prop_oneof![hostile(), ".{0,80}"]) {
        let parsed = parse(&text);
        if let Some(normal) = parsed.to_text() {
            prop_assert_eq!(parse(&normal), parsed);
        }
    }

    #[test]
    fn whatever_is_own_has_a_key_that_stays_in_the_storage(text in hostile()) {
        if let Parsed::Own(reference) = parse(&text) {
            let key = reference.key();
            prop_assert!(!key.is_empty() && key.len() <= 1024 && !key.starts_with('/'));
            prop_assert!(key.split('/').all(|segment| segment != "." && segment != ".."));
            prop_assert!(!key.chars().any(char::is_control));
        }
    }

    #[test]
    fn whatever_is_kept_is_unchanged_and_has_no_other_scheme(text in hostile()) {
        match parse(&text) {
            Parsed::External(kept) => {
                prop_assert_eq!(&kept, &text);
                let known = ["http://", "https://", "s3://", "gs://", "arn:", "/legacy-bucket/"];
                prop_assert!(known.iter().any(|start| kept.starts_with(start)), "{}", kept);
            }
            Parsed::Static(kept) => prop_assert_eq!(kept, text),
            Parsed::Own(_) | Parsed::Invalid(_) => {}
        }
    }

    #[test]
    fn every_key_survives_every_form(key in "[^/\\pC][^\\pC]{0,60}") {
        let Some(reference) = BlobRef::new(key.clone()) else { return Ok(()) };
        let path = reference.to_string();
        let encoded = path.strip_prefix("/api/objects/").unwrap();
        for form in [
            path.clone(),
            format!("https://api.waiterix.example/prod{path}"),
            format!("https://main-bucket.s3.eu-west-1.amazonaws.com/{encoded}?X-Amz-Signature=0"),
            format!("https://s3.amazonaws.com/main-bucket/{encoded}"),
            format!("s3://main-bucket/{encoded}"),
            format!("arn:aws:s3:::main-bucket/{encoded}"),
            reference.cdn_url("cdn.waiterix.example"),
            format!("gs://legacy-bucket/.private/{encoded}"),
            format!("https://www.googleapis.com/storage/v1/b/legacy-bucket/o/.private%2F{}", encoded.replace('/', "%2F")),
        ] {
            prop_assert_eq!(parse(&form), Parsed::Own(reference.clone()), "{}", form);
        }
        let places = locations().legacy_places(&key);
        prop_assert_eq!(locations().legacy_key(&places[0].bucket, &places[0].object), Some(key));
    }
}
