//! Who reaches whom.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::template::{FUNCTIONS, each, shown, templates};

const PRIVATE: [&str; 2] = ["${PrivateSubnetA}", "${PrivateSubnetB}"];

fn subnets(value: &Value) -> Vec<String> {
    each(value).into_iter().map(shown).collect()
}

#[test]
fn g152_functions_rows_and_sessions_are_in_private_subnets() {
    for template in templates() {
        for (name, function) in FUNCTIONS {
            let network = &template.properties(name)["VpcConfig"];
            assert_eq!(subnets(&network["SubnetIds"]), PRIVATE, "{function}");
            assert_eq!(subnets(&network["SecurityGroupIds"]), ["${FunctionsGroup.GroupId}"], "{function}");
        }
        assert_eq!(subnets(&template.properties("DatabaseSubnets")["SubnetIds"]), PRIVATE);
        assert_eq!(subnets(&template.properties("SessionsSubnets")["SubnetIds"]), PRIVATE);
        assert_eq!(template.properties("Database")["PubliclyAccessible"], false);
        for (name, subnet) in template.of_type("AWS::EC2::Subnet") {
            assert_ne!(subnet["Properties"]["MapPublicIpOnLaunch"], true, "{name}");
        }
        // What is private has no way in: its way out is a NAT gateway.
        for route in ["PrivateRouteA", "PrivateRouteB"] {
            let route = template.properties(route);
            assert!(route.get("GatewayId").is_none() && route.get("NatGatewayId").is_some(), "{route}");
        }
    }
}

#[test]
fn g153_only_functions_reach_rows_and_sessions_and_nobody_reaches_functions() {
    for template in templates() {
        let mut ways = BTreeSet::new();
        for (_, rule) in template.of_type("AWS::EC2::SecurityGroupIngress") {
            let rule = &rule["Properties"];
            assert!(rule.get("CidrIp").is_none() && rule.get("CidrIpv6").is_none(), "{rule}");
            assert_eq!(rule["FromPort"], rule["ToPort"]);
            ways.insert((
                shown(&rule["SourceSecurityGroupId"]),
                rule["FromPort"].as_u64().unwrap(),
                shown(&rule["GroupId"]),
            ));
        }
        let functions = || "${FunctionsGroup.GroupId}".to_owned();
        let expected = BTreeSet::from([
            (functions(), 5432, "${DatabaseGroup.GroupId}".to_owned()),
            (functions(), 6379, "${SessionsGroup.GroupId}".to_owned()),
        ]);
        assert_eq!(ways, expected);
        for (name, group) in template.of_type("AWS::EC2::SecurityGroup") {
            let group = &group["Properties"];
            assert!(group.get("SecurityGroupIngress").is_none(), "{name} lets somebody in");
            // Without a rule everything is let out.
            let out = group["SecurityGroupEgress"]
                .as_array()
                .unwrap_or_else(|| panic!("{name} lets everything out"));
            for rule in out {
                let open = rule["CidrIp"] == "0.0.0.0/0";
                assert!(!open || (name == "FunctionsGroup" && rule["FromPort"] == 443), "{name}: {rule}");
                assert_eq!((&rule["IpProtocol"], &rule["FromPort"]), (&json!("tcp"), &rule["ToPort"]));
            }
        }
        assert_eq!(
            subnets(&template.properties("Database")["VPCSecurityGroups"]),
            ["${DatabaseGroup.GroupId}"]
        );
        assert_eq!(
            subnets(&template.properties("Sessions")["SecurityGroupIds"]),
            ["${SessionsGroup.GroupId}"]
        );
    }
}

#[test]
fn g076_s3_and_dynamodb_are_reached_without_leaving_and_only_ours() {
    for template in templates() {
        for (name, service, resource) in [
            ("ObjectsEndpoint", "s3", "${ObjectsBucket.Arn}"),
            ("ConnectionsEndpoint", "dynamodb", "${ConnectionsTable.Arn}"),
        ] {
            let endpoint = template.properties(name);
            assert!(shown(&endpoint["ServiceName"]).ends_with(&format!(".{service}")));
            assert_eq!(subnets(&endpoint["RouteTableIds"]), ["${PrivateRoutesA}", "${PrivateRoutesB}"]);
            for statement in endpoint["PolicyDocument"]["Statement"].as_array().unwrap() {
                let resources: Vec<String> = each(&statement["Resource"]).into_iter().map(shown).collect();
                assert!(resources.iter().all(|one| one.starts_with(resource)), "{resources:?}");
                let actions: Vec<String> = each(&statement["Action"]).into_iter().map(shown).collect();
                assert!(
                    actions.iter().all(|one| one.starts_with(&format!("{service}:")) && !one.contains('*'))
                );
            }
        }
    }
}

#[test]
fn what_an_endpoint_lets_through_is_what_the_functions_may() {
    for template in templates() {
        for (endpoint, service) in [("ObjectsEndpoint", "s3:"), ("ConnectionsEndpoint", "dynamodb:")] {
            let through: BTreeSet<String> = template.properties(endpoint)["PolicyDocument"]["Statement"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|statement| each(&statement["Action"]).into_iter().map(shown).collect::<Vec<_>>())
                .collect();
            let mut may = BTreeSet::new();
            for (_, role) in template.of_type("AWS::IAM::Role") {
                for policy in each(&role["Properties"]["Policies"]) {
                    for statement in each(&policy["PolicyDocument"]["Statement"]) {
                        may.extend(each(&statement["Action"]).into_iter().map(shown));
                    }
                }
            }
            may.retain(|action| action.starts_with(service));
            assert_eq!(through, may);
        }
    }
}
