mod calls;
mod conforms;
mod mesh;
mod network;
mod relay;
mod streams;
mod trust;
