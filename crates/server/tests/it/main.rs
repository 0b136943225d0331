//! The whole engine over real HTTP: a stub upstream, the real gateway, the real store.

#[cfg(test)]
mod broker;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod carried;
#[cfg(test)]
mod closings;
#[cfg(test)]
mod delegation;
#[cfg(test)]
mod house;
#[cfg(test)]
mod life;
#[cfg(test)]
mod locked;
#[cfg(test)]
mod logins;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod rounds;
#[cfg(test)]
mod stub;
