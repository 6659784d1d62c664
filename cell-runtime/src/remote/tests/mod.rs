mod calls;
mod mesh;
mod network;
mod relay;
mod trust;
