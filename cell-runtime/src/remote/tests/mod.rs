mod calls;
mod mesh;
mod network;
mod relay;
mod streams;
mod trust;
