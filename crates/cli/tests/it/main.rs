//! The binary from outside: in an empty home, against a fake control listener, and against itself.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod bypass;
#[cfg(test)]
mod bypass_bed;
#[cfg(test)]
mod contained_run;
#[cfg(test)]
mod fake_control;
#[cfg(test)]
mod guard;
#[cfg(test)]
mod house;
#[cfg(test)]
mod live;
#[cfg(test)]
mod people;
#[cfg(test)]
mod run;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod usage;
#[cfg(test)]
mod verify;
