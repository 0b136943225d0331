//! Messages of `workloadapi.proto` (spiffe/spiffe, standards), kept by hand: field numbers and types are the contract.

use std::collections::HashMap;

use prost::Message;

/// `X509SVIDRequest`, `X509BundlesRequest`, `JWTBundlesRequest`: nothing to say.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Nothing {}

/// `X509SVIDResponse`
#[derive(Clone, PartialEq, Message)]
pub struct X509SvidResponse {
    /// One for each identity of the caller.
    #[prost(message, repeated, tag = "1")]
    pub svids: Vec<X509Svid>,
    /// DER revocation lists: none, our SVIDs live short.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub crl: Vec<Vec<u8>>,
    /// Bundles of other trust domains: none yet.
    #[prost(map = "string, bytes", tag = "3")]
    pub federated_bundles: HashMap<String, Vec<u8>>,
}

/// `X509SVID`
#[derive(Clone, PartialEq, Message)]
pub struct X509Svid {
    /// SPIFFE ID.
    #[prost(string, tag = "1")]
    pub spiffe_id: String,
    /// DER chain, leaf first.
    #[prost(bytes = "vec", tag = "2")]
    pub x509_svid: Vec<u8>,
    /// PKCS #8 key, DER.
    #[prost(bytes = "vec", tag = "3")]
    pub x509_svid_key: Vec<u8>,
    /// DER certificates of the trust domain, one after the other.
    #[prost(bytes = "vec", tag = "4")]
    pub bundle: Vec<u8>,
    /// What it is for.
    #[prost(string, tag = "5")]
    pub hint: String,
}

/// `X509BundlesResponse`
#[derive(Clone, PartialEq, Message)]
pub struct X509BundlesResponse {
    /// DER revocation lists.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub crl: Vec<Vec<u8>>,
    /// DER certificates by the SPIFFE ID of the trust domain.
    #[prost(map = "string, bytes", tag = "2")]
    pub bundles: HashMap<String, Vec<u8>>,
}

/// `JWTSVIDRequest`
#[derive(Clone, PartialEq, Message)]
pub struct JwtSvidRequest {
    /// Audiences.
    #[prost(string, repeated, tag = "1")]
    pub audience: Vec<String>,
    /// The one identity wanted; empty for all.
    #[prost(string, tag = "2")]
    pub spiffe_id: String,
}

/// `JWTSVIDResponse`
#[derive(Clone, PartialEq, Message)]
pub struct JwtSvidResponse {
    /// One for each identity of the caller.
    #[prost(message, repeated, tag = "1")]
    pub svids: Vec<JwtSvid>,
}

/// `JWTSVID`
#[derive(Clone, PartialEq, Message)]
pub struct JwtSvid {
    /// SPIFFE ID.
    #[prost(string, tag = "1")]
    pub spiffe_id: String,
    /// Compact JWS.
    #[prost(string, tag = "2")]
    pub svid: String,
    /// What it is for.
    #[prost(string, tag = "3")]
    pub hint: String,
}

/// `JWTBundlesResponse`
#[derive(Clone, PartialEq, Message)]
pub struct JwtBundlesResponse {
    /// JWKS documents by the SPIFFE ID of the trust domain.
    #[prost(map = "string, bytes", tag = "1")]
    pub bundles: HashMap<String, Vec<u8>>,
}

/// `ValidateJWTSVIDRequest`
#[derive(Clone, PartialEq, Message)]
pub struct ValidateJwtSvidRequest {
    /// The validating party.
    #[prost(string, tag = "1")]
    pub audience: String,
    /// Compact JWS.
    #[prost(string, tag = "2")]
    pub svid: String,
}

/// `ValidateJWTSVIDResponse`
#[derive(Clone, PartialEq, Message)]
pub struct ValidateJwtSvidResponse {
    /// SPIFFE ID.
    #[prost(string, tag = "1")]
    pub spiffe_id: String,
    /// All claims.
    #[prost(message, optional, tag = "2")]
    pub claims: Option<prost_types::Struct>,
}
