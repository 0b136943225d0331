//! The binary from outside: in an empty home, against a fake control listener, and against itself.

mod bodies;
mod fake_control;
mod house;
mod live;
mod people;
mod run;
mod shapes;
mod usage;
mod verify;
