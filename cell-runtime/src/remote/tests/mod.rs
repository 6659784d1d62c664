mod calls;
mod mesh;
mod trust;
