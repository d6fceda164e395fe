//! Rows, sessions, objects, connections, mail.

use serde_json::{Value, json};

use crate::template::{Template, each, shown, templates};

const BUCKETS: [&str; 2] = ["ObjectsBucket", "TranscribeBucket"];

#[test]
fn g057_rows_are_encrypted_backed_up_and_grow() {
    for template in templates() {
        let database = template.properties("Database");
        assert_eq!(database["StorageEncrypted"], true);
        assert_eq!(shown(&database["KmsKeyId"]), "${Key.Arn}");
        assert!(database["BackupRetentionPeriod"].as_u64().unwrap() > 0);
        assert!(database["MaxAllocatedStorage"].as_u64() > database["AllocatedStorage"].as_u64());
        assert_eq!(database["EnablePerformanceInsights"], true);
        assert_eq!(database["EnableIAMDatabaseAuthentication"], true);
        assert_eq!(template.properties("DatabaseParameters")["Parameters"]["rds.force_ssl"], "1");
        assert_eq!(template.resources()["Database"]["DeletionPolicy"], "Snapshot");
        assert_eq!(template.resources()["Database"]["UpdateReplacePolicy"], "Snapshot");
    }
}

#[test]
fn g154_sessions_are_encrypted_behind_a_password_and_never_pushed_out() {
    for template in templates() {
        let sessions = template.properties("Sessions");
        assert_eq!(sessions["TransitEncryptionEnabled"], true);
        assert_eq!(sessions["TransitEncryptionMode"], "required");
        assert_eq!(sessions["AtRestEncryptionEnabled"], true);
        assert!(sessions["AuthToken"].is_object());
        // One shard (decision 14).
        assert!(sessions.get("NumNodeGroups").is_none());
        let rules = &template.properties("SessionsParameters")["Properties"];
        assert_eq!(rules["maxmemory-policy"], "noeviction");
    }
}

#[test]
fn g155_buckets_are_closed_encrypted_and_kept_in_versions() {
    for template in templates() {
        for name in template.of_type("AWS::S3::Bucket").into_keys() {
            let bucket = template.properties(name);
            let closed = bucket["PublicAccessBlockConfiguration"].as_object().unwrap();
            assert_eq!(closed.len(), 4, "{name}");
            assert!(closed.values().all(|switch| switch == true), "{name}: {closed:?}");
            assert_eq!(bucket["VersioningConfiguration"]["Status"], "Enabled", "{name}");
            let encryption = &bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0];
            assert_eq!(encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"], "AES256", "{name}");
        }
        for name in BUCKETS {
            let bucket = template.properties(name);
            assert_eq!(bucket["OwnershipControls"]["Rules"][0]["ObjectOwnership"], "BucketOwnerEnforced");
            assert_eq!(template.resources()[name]["DeletionPolicy"], "Retain", "{name}");
        }
    }
}

#[test]
fn g154_buckets_and_what_is_in_them_refuse_what_is_not_encrypted() {
    for template in templates() {
        for name in template.of_type("AWS::S3::BucketPolicy").into_keys() {
            let statements = each(&template.properties(name)["PolicyDocument"]["Statement"]);
            let refuses = |statement: &&&Value| {
                statement["Effect"] == "Deny"
                    && statement["Principal"] == "*"
                    && statement["Action"] == "s3:*"
                    && matches!(
                        &statement["Condition"]["Bool"]["aws:SecureTransport"],
                        Value::Bool(false) | Value::String(_)
                    )
            };
            let refusal = statements.iter().find(refuses).unwrap_or_else(|| panic!("{name} refuses nothing"));
            assert_eq!(each(&refusal["Resource"]).len(), 2, "{name}: the bucket, and what is in it");
        }
        // osls writes the one of its own bucket.
        assert_eq!(
            template.of_type("AWS::S3::BucketPolicy").len(),
            template.of_type("AWS::S3::Bucket").len()
        );
    }
}

#[test]
fn g065_the_client_may_upload_just_as_a_signed_url_says() {
    for template in templates() {
        for name in BUCKETS {
            let rules = template.properties(name)["CorsConfiguration"]["CorsRules"].as_array().unwrap();
            let [rule] = &rules[..] else { panic!("{name}: {rules:?}") };
            assert_eq!(
                rule["AllowedOrigins"],
                json!({"Fn::Split": [",", "https://menu.example.com,https://kitchen.example.com"]})
            );
            assert_eq!(rule["AllowedMethods"], json!(["GET", "HEAD", "PUT"]));
            assert_eq!(rule["AllowedHeaders"], json!(["content-type", "if-none-match", "range"]));
            assert!(each(&rule["ExposedHeaders"]).contains(&&json!("ETag")));
        }
    }
}

fn lifecycle<'a>(template: &'a Template, bucket: &str) -> Vec<&'a Value> {
    each(&template.properties(bucket)["LifecycleConfiguration"]["Rules"])
}

#[test]
fn g139_what_is_temporary_is_removed() {
    for template in templates() {
        for bucket in BUCKETS {
            let rules = lifecycle(&template, bucket);
            assert!(rules.iter().all(|rule| rule["Status"] == "Enabled"));
            let has = |test: &dyn Fn(&Value) -> bool| rules.iter().any(|rule| test(rule));
            assert!(
                has(&|rule| rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 1),
                "{bucket}"
            );
            assert!(has(&|rule| rule["NoncurrentVersionExpiration"]["NoncurrentDays"].is_u64()), "{bucket}");
        }
        for prefix in ["audio/", "transcripts/"] {
            let rules = lifecycle(&template, "TranscribeBucket");
            assert!(
                rules.iter().any(|rule| rule["Prefix"] == prefix && rule["ExpirationInDays"] == 1),
                "{prefix}"
            );
        }
        let expires = |rule: &&Value| rule.get("ExpirationInDays").is_some();
        assert!(!lifecycle(&template, "ObjectsBucket").iter().any(expires), "pictures do not expire");
    }
}

#[test]
fn g071_the_table_of_connections_is_what_the_adapter_makes() {
    for template in templates() {
        let table = template.properties("ConnectionsTable");
        assert_eq!(table["KeySchema"], json!([{"AttributeName": "connectionId", "KeyType": "HASH"}]));
        assert_eq!(table["TimeToLiveSpecification"], json!({"AttributeName": "ttl", "Enabled": true}));
        assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
        assert_eq!(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
        assert_eq!(table["SSESpecification"]["SSEEnabled"], true);
        let index = json!([{
            "IndexName": "restaurantId-index",
            "KeySchema": [{"AttributeName": "restaurantId", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }]);
        assert_eq!(table["GlobalSecondaryIndexes"], index);
        let variables = &template.properties("ApiLambdaFunction")["Environment"]["Variables"];
        assert_eq!(variables["WEBSOCKET_CONNECTIONS_INDEX"], index[0]["IndexName"]);
    }
}

#[test]
fn g158_mail_is_signed_and_what_becomes_of_it_reaches_the_function() {
    for template in templates() {
        let identity = template.properties("MailIdentity");
        assert_eq!(identity["DkimAttributes"]["SigningEnabled"], true);
        assert_eq!(identity["DkimSigningAttributes"]["NextSigningKeyLength"], "RSA_2048_BIT");
        assert_eq!(identity["MailFromAttributes"]["MailFromDomain"], "bounce.mail.example.com");
        let set = template.properties("MailConfigurationSet");
        assert_eq!(set["SuppressionOptions"]["SuppressedReasons"], json!(["BOUNCE", "COMPLAINT"]));
        assert_eq!(set["DeliveryOptions"]["TlsPolicy"], "REQUIRE");
        let destination = template.properties("MailEventDestination");
        let events = &destination["EventDestination"];
        assert_eq!(shown(&destination["ConfigurationSetName"]), "${MailConfigurationSet}");
        assert!(
            ["bounce", "complaint"]
                .iter()
                .all(|kind| each(&events["MatchingEventTypes"]).contains(&&json!(kind)))
        );
        assert_eq!(shown(&events["SnsDestination"]["TopicARN"]), "${MailEventsTopic}");
        let subscription = template.properties("MailEventsSubscription");
        assert_eq!(shown(&subscription["TopicArn"]), "${MailEventsTopic}");
        assert_eq!(shown(&subscription["Endpoint"]), "${MailEventsQueue.Arn}");
        let mappings = template.of_type("AWS::Lambda::EventSourceMapping");
        let [mapping] = mappings.values().collect::<Vec<_>>()[..] else { panic!("{mappings:?}") };
        assert_eq!(shown(&mapping["Properties"]["EventSourceArn"]), "${MailEventsQueue.Arn}");
        assert_eq!(shown(&mapping["Properties"]["FunctionName"]), "${MailDasheventsLambdaFunction.Arn}");
        // The function says which messages of a batch failed.
        assert_eq!(mapping["Properties"]["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
        let redrive = &template.properties("MailEventsQueue")["RedrivePolicy"];
        assert_eq!(shown(&redrive["deadLetterTargetArn"]), "${MailEventsUnheeded.Arn}");
    }
}

#[test]
fn everything_that_rests_is_encrypted() {
    for template in templates() {
        for kind in ["AWS::Logs::LogGroup", "AWS::SecretsManager::Secret"] {
            for (name, resource) in template.of_type(kind) {
                assert_eq!(shown(&resource["Properties"]["KmsKeyId"]), "${Key.Arn}", "{name}");
            }
        }
        for (name, topic) in template.of_type("AWS::SNS::Topic") {
            assert_eq!(shown(&topic["Properties"]["KmsMasterKeyId"]), "${Key}", "{name}");
        }
        for (name, queue) in template.of_type("AWS::SQS::Queue") {
            assert_eq!(queue["Properties"]["SqsManagedSseEnabled"], true, "{name}");
        }
        assert_eq!(template.properties("Key")["EnableKeyRotation"], true);
    }
}
