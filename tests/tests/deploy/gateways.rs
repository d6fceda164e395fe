//! The two APIs, the functions behind them, and delivery.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::template::{FUNCTIONS, Template, each, shown, templates};

/// What a deployment of the REST API holds, and the number in its name. Who changes the one gives the other a new number:
/// otherwise the change stays undeployed, without a word.
const DEPLOYED: (&str, &str) = ("ApiDeployment1", "169c5d974385bbf6");

#[test]
fn g074_functions_are_for_arm64_and_have_archives_of_their_own() {
    for template in templates() {
        let mut archives = BTreeSet::new();
        for (name, function) in FUNCTIONS {
            let properties = template.properties(name);
            assert_eq!(properties["Runtime"], "provided.al2023");
            assert_eq!(properties["Architectures"], json!(["arm64"]));
            assert_eq!(properties["FunctionName"], format!("waiterix-{}-{function}", template.stage));
            assert_eq!(properties["TracingConfig"]["Mode"], "Active", "{function}");
            assert_eq!(shown(&properties["KmsKeyArn"]), "${Key.Arn}", "{function}");
            assert!(properties["MemorySize"].as_u64().unwrap() >= 256);
            let archive =
                properties["Code"]["S3Key"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            assert_eq!(archive, format!("{function}.zip"));
            archives.insert(archive);
        }
        assert_eq!(archives.len(), FUNCTIONS.len());
    }
}

#[test]
fn g075_a_function_has_longer_than_the_gateway_waits_and_a_queue_waits_longer_than_a_function() {
    for template in templates() {
        let timeout = |name: &str| template.properties(name)["Timeout"].as_u64().unwrap();
        // A request has 25 s (decision 24), a gateway gives up after 29.
        assert_eq!((timeout("ApiLambdaFunction"), timeout("WebsocketLambdaFunction")), (29, 29));
        // A pass of upkeep ends before the next one begins.
        assert!(timeout("RelayLambdaFunction") < 15 * 60);
        let queue = template.properties("MailEventsQueue")["VisibilityTimeout"].as_u64().unwrap();
        assert_eq!(queue, 6 * timeout("MailDasheventsLambdaFunction"));
    }
}

#[test]
fn g077_every_path_and_method_of_the_rest_api_leads_to_the_function() {
    for template in templates() {
        let api = template.properties("Api");
        // Otherwise a picture arrives as letters (decision 24).
        assert_eq!(api["BinaryMediaTypes"], json!(["*/*"]));
        assert_eq!(template.properties("ApiRest")["PathPart"], "{rest+}");
        for (name, resource) in [("ApiRootMethod", "${Api.RootResourceId}"), ("ApiRestMethod", "${ApiRest}")]
        {
            let method = template.properties(name);
            assert_eq!(shown(&method["ResourceId"]), resource);
            // Preflights are answered by the app, too, which knows the origins.
            assert_eq!(method["HttpMethod"], "ANY");
            assert_eq!(method["Integration"]["Type"], "AWS_PROXY");
            assert!(shown(&method["Integration"]["Uri"]).contains("${ApiLambdaFunction.Arn}"));
        }
    }
}

#[test]
fn the_stage_is_no_part_of_a_path() {
    for template in templates() {
        // The function takes the path without the stage from the event, whatever these say (decision 24).
        let variables = &template.properties("ApiLambdaFunction")["Environment"]["Variables"];
        assert!(variables.get("AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH").is_none());
        assert_eq!(template.properties("ApiStage")["StageName"], template.stage);
        assert!(!["api", "docs", "health"].contains(&template.stage));
    }
}

#[test]
fn g079_refusals_of_the_gateway_itself_can_be_read_by_the_page_of_the_client() {
    for template in templates() {
        for (name, kind) in [("ApiRefusal", "DEFAULT_4XX"), ("ApiFailure", "DEFAULT_5XX")] {
            let response = template.properties(name);
            assert_eq!(response["ResponseType"], kind);
            let headers = &response["ResponseParameters"];
            let origin = &headers["gatewayresponse.header.Access-Control-Allow-Origin"];
            let origins = "https://menu.example.com,https://kitchen.example.com";
            let first = json!({"Fn::Select": [0, {"Fn::Split": [",", origins]}]});
            assert_eq!(origin["Fn::Sub"], json!(["'${Origin}'", {"Origin": first}]));
            assert_eq!(headers["gatewayresponse.header.Access-Control-Allow-Credentials"], "'true'");
        }
    }
}

#[test]
fn a_changed_api_is_a_new_deployment() {
    for template in templates().iter().filter(|template| template.stage == "production") {
        let names = ["Api", "ApiRest", "ApiRootMethod", "ApiRestMethod", "ApiRefusal", "ApiFailure"];
        let holds: Vec<&Value> = names.iter().map(|name| template.properties(name)).collect();
        let digest = format!("{:x}", Sha256::digest(serde_json::to_vec(&holds).unwrap()));
        let deployment = template.of_type("AWS::ApiGateway::Deployment").into_keys().next().unwrap();
        assert_eq!((deployment, &digest[..16]), DEPLOYED);
        assert_eq!(shown(&template.properties("ApiStage")["DeploymentId"]), format!("${{{deployment}}}"));
    }
}

#[test]
fn g084_the_three_routes_of_the_websocket_api_lead_to_the_function() {
    for template in templates() {
        let routes: BTreeSet<&str> = template
            .of_type("AWS::ApiGatewayV2::Route")
            .into_values()
            .map(|route| route["Properties"]["RouteKey"].as_str().unwrap())
            .collect();
        assert_eq!(routes, BTreeSet::from(["$connect", "$disconnect", "$default"]));
        for (name, integration) in template.of_type("AWS::ApiGatewayV2::Integration") {
            let uri = integration["Properties"]["IntegrationUri"].to_string();
            assert!(uri.contains("WebsocketLambdaFunction"), "{name}: {uri}");
        }
    }
}

/// The formats of access logs.
fn formats(template: &Template) -> [&str; 2] {
    let rest = template.properties("ApiStage")["AccessLogSetting"]["Format"].as_str().unwrap();
    let sockets =
        template.properties("WebsocketsDeploymentStage")["AccessLogSettings"]["Format"].as_str().unwrap();
    [rest, sockets]
}

#[test]
fn g143_access_is_logged_as_json_without_query_strings_headers_or_bodies() {
    for template in templates() {
        for format in formats(&template) {
            let members: Value = serde_json::from_str(format).unwrap();
            assert!(members.as_object().unwrap().len() >= 8, "{members}");
            assert_eq!(members["requestId"], "$context.requestId");
            for secret in [
                "querystring",
                "$input",
                "$stageVariables",
                "header",
                "authorizer",
                "resourcePath",
                "protocol",
            ] {
                assert!(!format.contains(secret), "{format}");
            }
        }
    }
}

#[test]
fn gateways_write_no_payloads_and_bring_no_function_of_others() {
    for template in templates() {
        let rest = template.properties("ApiStage");
        let settings = &rest["MethodSettings"][0];
        assert_eq!(
            (&settings["LoggingLevel"], &settings["DataTraceEnabled"]),
            (&json!("OFF"), &json!(false))
        );
        assert_eq!(rest["TracingEnabled"], true);
        let sockets = &template.properties("WebsocketsDeploymentStage")["DefaultRouteSettings"];
        assert_eq!((&sockets["LoggingLevel"], &sockets["DataTraceEnabled"]), (&json!("OFF"), &json!(false)));
        for settings in [settings, sockets] {
            assert!(settings["ThrottlingRateLimit"].as_u64().unwrap() >= 100);
            assert!(settings["ThrottlingBurstLimit"].as_u64().unwrap() >= 100);
        }
        let foreign: Vec<_> = template
            .resources()
            .iter()
            .filter(|(name, resource)| {
                name.contains("Custom") || resource["Type"].to_string().contains("Custom")
            })
            .collect();
        assert!(foreign.is_empty(), "{foreign:?}");
    }
}

#[test]
fn g170_only_what_is_public_is_delivered_and_only_encrypted() {
    for template in templates() {
        let delivery = &template.properties("Delivery")["DistributionConfig"];
        assert_eq!(delivery["DefaultCacheBehavior"]["ViewerProtocolPolicy"], "https-only");
        assert_eq!(delivery["DefaultCacheBehavior"]["AllowedMethods"], json!(["GET", "HEAD"]));
        assert_eq!(shown(&delivery["Origins"][0]["OriginAccessControlId"]), "${DeliveryAccess}");
        let policy = template.properties("ObjectsBucketPolicy");
        let statements = policy["PolicyDocument"]["Statement"].as_array().unwrap();
        let allows: Vec<_> = statements.iter().filter(|statement| statement["Effect"] == "Allow").collect();
        assert_eq!(allows.len(), 1, "{allows:?}");
        assert_eq!(allows[0]["Principal"], json!({"Service": "cloudfront.amazonaws.com"}));
        assert_eq!(allows[0]["Action"], "s3:GetObject");
        let below: Vec<String> = each(&allows[0]["Resource"]).into_iter().map(shown).collect();
        assert_eq!(below, ["${ObjectsBucket.Arn}/public/*", "${ObjectsBucket.Arn}/uploads/*"]);
        // The service names the delivery for whatever anyone may read, so it must be able to read all of that.
        for key in ["public/uploads/a", "uploads/a", "private/a", "audio/a"] {
            let is_delivered = below.iter().any(|below| {
                let prefix = below.trim_start_matches("${ObjectsBucket.Arn}/").trim_end_matches('*');
                key.starts_with(prefix)
            });
            assert_eq!(is_delivered, waiterix_app::pictures::is_public(key), "{key}");
        }
        let source = shown(&allows[0]["Condition"]["StringEquals"]["aws:SourceArn"]);
        assert!(source.ends_with("distribution/${Delivery}"), "{source}");
    }
}

#[test]
fn g080_domains_of_ones_own_lead_to_both_apis_where_they_are_named() {
    let mapped = [
        ("ApiDomain", "api.example.com", "ApiDomainMapping", "RestApiId", "${Api}"),
        ("WebsocketDomain", "live.example.com", "WebsocketDomainMapping", "ApiId", "${WebsocketsApi}"),
    ];
    for template in templates() {
        let condition = &template.all["Conditions"]["DomainsOfOnesOwn"];
        assert_eq!(*condition, json!({"Fn::Not": [{"Fn::Equals": ["domain api.example.com", "domain "]}]}));
        for (domain, name, mapping, member, api) in mapped {
            let (leads, to) = (template.properties(mapping), template.properties(domain));
            assert_eq!(to["DomainName"], name);
            assert_eq!(shown(&leads["DomainName"]), format!("${{{domain}}}"));
            assert_eq!(shown(&leads[member]), api);
            // Without a base path; whoever has one says so in API_BASE_URL.
            assert!(leads.get("BasePath").is_none() && leads.get("ApiMappingKey").is_none());
            for resource in [domain, mapping] {
                assert_eq!(template.resources()[resource]["Condition"], "DomainsOfOnesOwn", "{resource}");
            }
        }
        assert_eq!(template.properties("ApiDomain")["SecurityPolicy"], "TLS_1_2");
        let settings = &template.properties("WebsocketDomain")["DomainNameConfigurations"];
        assert_eq!(settings[0]["SecurityPolicy"], "TLS_1_2");
        // Connections that came by the domain are called back at the API itself, which is what the role allows.
        let variables = &template.properties("ApiLambdaFunction")["Environment"]["Variables"];
        assert_eq!(
            shown(&variables["WEBSOCKET_API_ENDPOINT"]),
            format!(
                "https://${{WebsocketsApi}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}/{}",
                template.stage
            )
        );
    }
}
