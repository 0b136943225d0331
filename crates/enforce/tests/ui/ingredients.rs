//! Nor do a mint, policy's allow and the store's receipt come from anywhere but their makers.

use remit_enforce::Mint;
use remit_policy::Allow;
use remit_store::Receipt;

pub fn a_mint() -> Mint {
    Mint(()) //~ E0423
}

pub fn a_mint_by_default() -> Mint {
    Default::default() //~ E0277
}

pub fn an_allow_by_default() -> Allow {
    Default::default() //~ E0277
}

pub fn a_receipt_by_default() -> Receipt {
    Default::default() //~ E0277
}
