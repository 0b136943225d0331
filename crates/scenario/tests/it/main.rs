//! Scenario files run from outside: the shipped ones, the one of the documentation, bad ones, and ones that must fail.

#[cfg(test)]
mod bad;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod house;
#[cfg(test)]
mod shipped;
