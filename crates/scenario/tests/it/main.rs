//! Scenario files run from outside: the shipped ones, the one of the documentation, bad ones, and ones that must fail.

mod bad;
mod failing;
mod house;
mod shipped;
