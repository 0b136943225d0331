//! Joins the policy's Allow and the store's receipt into a Permit; the only mint.
