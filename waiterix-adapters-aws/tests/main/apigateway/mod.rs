//! The adapter of API Gateway with DynamoDB: its contract on two servers, and what the contract does not say.

mod callback;
mod callbacks;
mod connections;
mod contract;
mod end_to_end;
mod middle;
mod outages;
mod scale;
mod signature;
mod table;
