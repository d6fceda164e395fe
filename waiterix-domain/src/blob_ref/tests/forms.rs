//! Every form of reference there has been, by its row in the table of forms.

use super::{MANAGED, external, invalid, locations, own, stock};
use crate::blob_ref::{BlobRef, Fault, Locations, Parsed};

#[test]
fn u01_canonical_path() {
    own("public/uploads/1", &["/api/objects/public/uploads/1", "/api/objects/public%2Fuploads/1?v=2#top"]);
    own("ä b+c?#%", &["/api/objects/%C3%A4%20b+c%3F%23%25", "/api/objects/ä b+c%3f%23%25"]);
}

#[test]
fn u02_short_path() {
    own("uploads/1", &["/objects/uploads/1"]);
    own("public/x", &["/objects/public/x"]);
}

#[test]
fn u03_absolute_url_of_an_own_host() {
    own(
        "k",
        &[
            "https://api.waiterix.example/api/objects/k",
            "https://app.waiterix.example/objects/k",
            "https://api.waiterix.example:443/api/objects/k?op=put&expires=1",
            "http://API.Waiterix.Example:80/api/objects/k",
            "HTTPS://api.waiterix.example/prod/api/objects/k",
            "http://localhost:5000/api/objects/k",
        ],
    );
    own("api/objects/k", &["https://api.waiterix.example/objects/api/objects/k"]);
    external(&[
        "http://localhost/api/objects/k",
        "http://localhost:5001/api/objects/k",
        "https://api.waiterix.example:80/api/objects/k",
        "https://api.waiterix.example/menu/k",
        "https://api.waiterix.example/a/b/api/objects/k",
        "https://api.waiterix.example.evil.example/api/objects/k",
        "https://evil-api.waiterix.example/api/objects/k",
    ]);
}

#[test]
fn u04_virtual_hosted_regional() {
    own(
        "a/k",
        &[
            "https://main-bucket.s3.eu-west-1.amazonaws.com/a/k",
            "https://Main-Bucket.S3.EU-WEST-1.amazonaws.com/a/k",
            "https://dotted.main.bucket.s3.us-gov-east-1.amazonaws.com/a/k",
        ],
    );
}

#[test]
fn u05_virtual_hosted_global() {
    own(
        "a/k",
        &["https://main-bucket.s3.amazonaws.com/a/k", "http://dotted.main.bucket.s3.amazonaws.com/a/k"],
    );
}

#[test]
fn u06_virtual_hosted_dash_region() {
    own(
        "k",
        &[
            "https://main-bucket.s3-eu-west-1.amazonaws.com/k",
            "https://dotted.main.bucket.s3-external-1.amazonaws.com/k",
        ],
    );
}

#[test]
fn u07_path_style() {
    own(
        "a//k",
        &[
            "https://s3.eu-west-1.amazonaws.com/main-bucket/a//k",
            "https://s3.amazonaws.com/main-bucket/a//k",
            "https://s3-eu-west-1.amazonaws.com/main-bucket/a//k",
            "https://s3.amazonaws.com/dotted.main.bucket/a//k",
        ],
    );
    invalid(Fault::Key, &["https://s3.amazonaws.com/main-bucket", "https://s3.amazonaws.com/main-bucket/"]);
}

#[test]
fn u08_dual_stack() {
    own(
        "k",
        &[
            "https://main-bucket.s3.dualstack.eu-west-1.amazonaws.com/k",
            "https://s3.dualstack.eu-west-1.amazonaws.com/main-bucket/k",
        ],
    );
}

#[test]
fn u09_fips() {
    own(
        "k",
        &[
            "https://main-bucket.s3-fips.us-east-1.amazonaws.com/k",
            "https://main-bucket.s3-fips.dualstack.us-east-1.amazonaws.com/k",
            "https://s3-fips.dualstack.us-east-1.amazonaws.com/main-bucket/k",
        ],
    );
}

#[test]
fn u10_accelerate() {
    own(
        "k",
        &[
            "https://main-bucket.s3-accelerate.amazonaws.com/k",
            "https://main-bucket.s3-accelerate.dualstack.amazonaws.com/k",
        ],
    );
    external(&["https://s3-accelerate.amazonaws.com/main-bucket/k"]);
}

#[test]
fn u11_other_partitions() {
    own(
        "k",
        &[
            "https://main-bucket.s3.cn-north-1.amazonaws.com.cn/k",
            "https://s3.cn-north-1.amazonaws.com.cn/main-bucket/k",
        ],
    );
}

#[test]
fn u12_website_endpoint() {
    own(
        "k",
        &[
            "http://main-bucket.s3-website-eu-west-1.amazonaws.com/k",
            "http://main-bucket.s3-website.eu-central-1.amazonaws.com/k",
        ],
    );
    external(&["http://s3-website.eu-central-1.amazonaws.com/main-bucket/k"]);
}

#[test]
fn u13_presigned_s3() {
    own(
        "public/uploads/1",
        &[
            "https://main-bucket.s3.eu-west-1.amazonaws.com/public/uploads/1?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00",
            "https://s3.amazonaws.com/main-bucket/public/uploads/1?AWSAccessKeyId=A&Signature=a%2Fb&Expires=1#x",
        ],
    );
}

#[test]
fn u14_s3_uri() {
    own("a/k", &["s3://main-bucket/a/k", "S3://Main-Bucket/a/k", "s3://dotted.main.bucket/a/k"]);
    invalid(Fault::Key, &["s3://main-bucket", "s3://main-bucket/"]);
    invalid(Fault::Host, &["s3:///k", "s3:main-bucket/k", "s3://user@main-bucket/k"]);
}

#[test]
fn u15_arn() {
    own(
        "a/k",
        &[
            "arn:aws:s3:::main-bucket/a/k",
            "arn:aws-cn:s3:::main-bucket/a/k",
            "ARN:aws-us-gov:s3:::main-bucket/a/k",
        ],
    );
    invalid(Fault::Scheme, &["arn:aws:iam::1:user/x", "arn:aws-other:s3:::main-bucket/k"]);
    invalid(Fault::Key, &["arn:aws:s3:::main-bucket"]);
}

#[test]
fn u16_custom_endpoint() {
    own(
        "a/k",
        &["http://minio.internal:9000/main-bucket/a/k", "https://main-bucket.minio.internal:9000/a/k"],
    );
    external(&["http://minio.internal/main-bucket/k", "http://minio.internal:9000/other/k"]);
    let below = Locations { s3_endpoint: Some("https://gate.example/s3/".into()), ..locations() };
    assert_eq!(below.parse("https://gate.example/s3/main-bucket/k"), Parsed::Own(BlobRef::new("k").unwrap()));
    for foreign in ["https://gate.example/main-bucket/k", "https://gate.example/s3x/main-bucket/k"] {
        assert_eq!(below.parse(foreign), Parsed::External(foreign.to_owned()));
    }
}

#[test]
fn u17_cdn_of_today_and_of_old() {
    own(
        "public/uploads/1",
        &[
            "https://cdn.waiterix.example/public/uploads/1",
            "http://D111.CloudFront.example/public/uploads/1?Expires=1&Signature=x",
        ],
    );
    invalid(Fault::Key, &["https://cdn.waiterix.example", "https://cdn.waiterix.example/?x=1"]);
}

#[test]
fn u18_gcs_path_form() {
    own("uploads/1", &["https://storage.googleapis.com/legacy-bucket/.private/uploads/1"]);
    own("public/a/1", &["https://storage.googleapis.com/legacy-bucket/public/a/1"]);
    external(&[
        "https://storage.googleapis.com/legacy-bucket/elsewhere/1",
        "https://storage.googleapis.com/other/.private/uploads/1",
        "https://storage.googleapis.com/main-bucket/k",
    ]);
}

#[test]
fn u19_gcs_virtual_hosted() {
    own("uploads/1", &["https://legacy-bucket.storage.googleapis.com/.private/uploads/1"]);
}

#[test]
fn u20_gcs_signed() {
    own(
        "uploads/1",
        &[
            "https://storage.googleapis.com/legacy-bucket/.private/uploads/1?X-Goog-Algorithm=GOOG4&X-Goog-Signature=0",
            "https://legacy-bucket.storage.googleapis.com/.private/uploads/1?GoogleAccessId=a&Signature=b&Expires=1",
        ],
    );
}

#[test]
fn u21_gcs_browser_form() {
    own("uploads/1", &["https://storage.cloud.google.com/legacy-bucket/.private/uploads/1"]);
}

#[test]
fn u22_gcs_json_api() {
    own(
        "uploads/1",
        &[
            "https://storage.googleapis.com/storage/v1/b/legacy-bucket/o/.private%2Fuploads%2F1",
            "https://storage.googleapis.com/download/storage/v1/b/legacy-bucket/o/.private%2Fuploads%2F1?alt=media",
            "https://www.googleapis.com/storage/v1/b/legacy-bucket/o/.private%2Fuploads%2F1",
        ],
    );
    external(&["https://www.googleapis.com/legacy-bucket/.private/uploads/1"]);
}

#[test]
fn u23_gs_uri() {
    own("uploads/1", &["gs://legacy-bucket/.private/uploads/1", "GS://legacy-bucket/.private/uploads/1"]);
    external(&["gs://other/.private/uploads/1", "gs://legacy-bucket/elsewhere"]);
}

#[test]
fn u24_bare_bucket_path() {
    own("uploads/1", &["/legacy-bucket/.private/uploads/1"]);
    own("public/1", &["/legacy-bucket/public/1"]);
    own("a/k", &["/main-bucket/a/k"]);
    external(&["/legacy-bucket/elsewhere/1"]);
    invalid(Fault::Path, &["/other-bucket/k", "/main-bucket", "/", "/menu.html"]);
}

#[test]
fn u25_managed_bucket_id() {
    own(
        "public/1",
        &[
            &format!("https://storage.googleapis.com/{MANAGED}/shared/pictures/1"),
            &format!("https://{MANAGED}.storage.googleapis.com/shared/pictures/1"),
            &format!("gs://{MANAGED}/shared/pictures/1"),
            &format!("/{MANAGED}/shared/pictures/1"),
        ],
    );
    external(&[
        "https://storage.googleapis.com/replit-objstore-ffffffff-0000-4000-8000-000000000001/shared/pictures/1",
        "gs://replit-objstore-ffffffff-0000-4000-8000-000000000001/shared/pictures/1",
    ]);
}

#[test]
fn u26_any_other_url_is_external_and_unchanged() {
    external(&[
        "https://images.example.org/a.jpg?w=100#x",
        "http://example.org",
        "HTTPS://Example.org/%E9%zz",
        "https://example.org/public/../x",
        "https://example.org/?next=\\x",
    ]);
}

#[test]
fn u27_static_assets_and_bare_names() {
    stock(&[
        "/assets/stock_images/pizza.jpg",
        "/attached_assets/pizza_1.png?v=1",
        "pizza.jpg",
        "Crème brûlée (2).webp",
        "10:30.jpg",
        "...",
    ]);
    invalid(Fault::Path, &["/assets/../api/x", "/assets/%2e%2e/x", ".", "..", "a/b.jpg", "assets/a.jpg"]);
}

#[test]
fn u28_nothing_that_may_be_stored() {
    invalid(Fault::Empty, &["", " ", "\t\r\n", "\u{a0}"]);
    invalid(
        Fault::Blank,
        &[" /objects/k", "/objects/k\n", "java\nscript:alert(1)", "/objects/\0k", "a\u{85}b"],
    );
    invalid(
        Fault::Scheme,
        &[
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:image/png;base64,AAAA",
            "file:///etc/passwd",
            "blob:https://api.waiterix.example/1",
            "ftp://example.org/x",
            "C:/x.jpg",
            "view-source:https://example.org",
        ],
    );
}
