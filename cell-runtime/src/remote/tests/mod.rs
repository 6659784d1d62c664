mod calls;
mod mesh;
mod relay;
mod trust;
