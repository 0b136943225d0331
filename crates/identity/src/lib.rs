//! Identity as mathematics: SPIFFE IDs, SVIDs, JOSE, DPoP and PKCE. No I/O, no async, no clock of its own: time and
//! randomness are passed in, and nothing here remembers anything (replays are the caller's store).
//!
//! Every token that arrives is read once, strictly, by the JSON parser of `remit_core`; the signature is checked by
//! `aws-lc-rs`; certificates are issued by `rcgen` and paths are checked by `webpki`. Why this and no JWT library:
//! `docs/adr/0006-identity-and-keys.md`.

mod algorithm;
mod assertion;
mod b64;
mod claims;
pub mod dpop;
mod jwk;
mod jwks;
mod jws;
mod jwt;
pub mod mission;
pub mod pkce;
mod ring;
mod signing;
mod spiffe;
mod svid;
mod token;
pub mod x509;

pub use algorithm::Algorithm;
pub use assertion::{AssertionPolicy, ClientAssertion, JWT_BEARER, client_assertion};
pub use b64::{decode as base64url_decode, encode as base64url};
pub use claims::Claims;
pub use jwk::{BadJwk, PublicKey, Use};
pub use jwks::{BadJwks, Bundle, KeySet, bundle_document};
pub use jws::{Header, Jws};
pub use jwt::{Expect, JwtError, Types, Verified, Verifier};
pub use ring::{Generation, Lives, Phase, Ring};
pub use signing::{KeyFault, SigningKey};
pub use spiffe::{BadSpiffeId, SpiffeId, TrustDomain};
pub use svid::{JwtSvid, jwt_svid, verify_jwt_svid};
pub use token::{AccessToken, Actor, Confirmation, Mission, authorization_details};
