"""GLSL of the head renderer (OpenGL 3.3 core, so that Mesa's software rasteriser runs it anywhere)."""

_BEND = """
uniform vec3 u_bend;        // rotation vector of the torso relative to the head, mesh frame
uniform vec3 u_pivot;       // where the neck bends
uniform vec3 u_eye_bend;    // rotation vector of an eyeball
uniform vec3 u_eye_pivot;
uniform mat3 u_model;       // camera <- mesh
uniform vec3 u_centre;      // mesh point that sits on the optical axis
uniform float u_distance;
vec3 turn(vec3 p, vec3 r) {
    float a = length(r);
    if (a < 1e-6) return p;
    vec3 k = r / a;
    return p * cos(a) + cross(k, p) * sin(a) + k * dot(k, p) * (1.0 - cos(a));
}
vec3 place(vec3 p, float share) {
    p = turn(p - u_eye_pivot, u_eye_bend) + u_eye_pivot;
    p = turn(p - u_pivot, u_bend * share) + u_pivot;
    return u_model * (p - u_centre) + vec3(0.0, 0.0, u_distance);
}
vec3 orient(vec3 n, float share) { return u_model * turn(turn(n, u_eye_bend), u_bend * share); }
"""

VERTEX = (
    """#version 330
in vec3 a_position; in vec3 a_normal; in vec2 a_uv; in vec4 a_fields;
uniform vec3 u_window;      // centre x, y and half side of the picture, in units of the normalised image plane
uniform vec2 u_clip;        // near, far
uniform mat4 u_light_view;
out vec3 v_position; out vec3 v_normal; out vec2 v_uv; out vec4 v_fields; out vec3 v_rest; out vec4 v_shadow;
"""
    + _BEND
    + """
void main() {
    float share = a_fields.x;
    vec3 p = place(a_position, share);
    v_position = p; v_normal = orient(a_normal, share); v_uv = a_uv; v_fields = a_fields; v_rest = a_position;
    v_shadow = u_light_view * vec4(p + 0.03 * v_normal, 1.0);
    float depth = (u_clip.y + u_clip.x) / (u_clip.y - u_clip.x) * p.z - 2.0 * u_clip.x * u_clip.y / (u_clip.y - u_clip.x);
    // y is not flipped: the first row that is read back is then the top of the picture.
    gl_Position = vec4((p.x - u_window.x * p.z) / u_window.z, (p.y - u_window.y * p.z) / u_window.z, depth, p.z);
}
"""
)

SHADOW_VERTEX = (
    """#version 330
in vec3 a_position; in vec4 a_fields; in vec2 a_uv;
uniform mat4 u_light_view;
out vec2 v_uv;
"""
    + _BEND
    + """
void main() { v_uv = a_uv; gl_Position = u_light_view * vec4(place(a_position, a_fields.x), 1.0); }
"""
)

SHADOW_FRAGMENT = """#version 330
uniform sampler2D u_texture_a; uniform int u_cut;
in vec2 v_uv;
void main() { if (u_cut == 1 && texture(u_texture_a, v_uv).a < 0.4) discard; }
"""

FRAGMENT = """#version 330
in vec3 v_position; in vec3 v_normal; in vec2 v_uv; in vec4 v_fields; in vec3 v_rest; in vec4 v_shadow;
uniform int u_mode;
uniform sampler2D u_texture_a; uniform sampler2D u_texture_b; uniform sampler2D u_noise;
uniform sampler2DShadow u_shadow;
uniform float u_mix; uniform vec3 u_colour; uniform vec3 u_colour_b; uniform vec3 u_hair; uniform float u_recolour;
uniform float u_gloss; uniform vec3 u_scalp; uniform vec2 u_beard; uniform float u_shirt; uniform vec2 u_pattern;
uniform float u_strands; uniform float u_alpha; uniform float u_brightness; uniform vec2 u_seed;
uniform vec3 u_light_direction[3]; uniform vec3 u_light_colour[3];
uniform vec3 u_sky; uniform vec3 u_ground; uniform vec3 u_up; uniform float u_shadow_strength;
out vec4 colour_out;

vec3 linear(vec3 c) { return c * (c * (c * 0.305306011 + 0.682171111) + 0.012522878); }
vec4 noise(vec2 p) { return texture(u_noise, p); }
vec3 fabric(vec3 a, vec3 b) {
    vec2 q = v_rest.xy * u_pattern.y + u_seed;
    float s = 0.0;
    if (u_pattern.x > 0.5 && u_pattern.x < 1.5) s = step(0.5, fract(q.y));
    else if (u_pattern.x > 1.5 && u_pattern.x < 2.5) s = 0.5 * (step(0.5, fract(q.y)) + step(0.5, fract(q.x)));
    else if (u_pattern.x > 2.5) s = smoothstep(0.45, 0.55, noise(q * 0.15).a);
    return mix(a, b, s) * (0.85 + 0.3 * noise(v_rest.xy * 0.35 + u_seed).a);
}
// Strands run from the crown down: streaks across the azimuth, long along the way down.
vec2 strand(float scale) {
    vec3 d = v_rest - vec3(0.0, 7.75, 0.05);
    float azimuth = atan(d.x, -d.z) / 6.2831853;
    return vec2(azimuth * scale, length(d) * 0.10 + atan(length(d.xz), d.y) * 0.05) + u_seed;
}

void main() {
    vec3 n = normalize(v_normal);
    vec3 view = normalize(-v_position);
    if (dot(n, view) < 0.0) n = -n;
    vec3 base; float alpha = 1.0; float gloss = u_gloss; float power = 18.0; float wrap = 0.0; vec3 scatter = vec3(0.0);
    if (u_mode == 0) {
        vec3 skin = linear(mix(texture(u_texture_a, v_uv).rgb, texture(u_texture_b, v_uv).rgb, u_mix));
        base = skin * u_colour;
        base *= 0.92 + 0.16 * noise(v_rest.xy * 0.21 + v_rest.zx * 0.13 + u_seed).a;
        wrap = 0.25; scatter = vec3(0.10, 0.02, 0.0);
        vec4 grain = textureLod(u_noise, strand(6.0), 0.5);
        float edge = v_fields.y + u_scalp.x + (grain.g - 0.5) * 0.35 + (noise(v_rest.xy * 0.4 + u_seed).a - 0.5) * 0.3;
        float cover = u_scalp.z * smoothstep(-u_scalp.y, u_scalp.y, edge);
        float stubble = noise(v_rest.xy * 1.9 + v_rest.yz * 1.3).r;
        float below = smoothstep(6.0, 6.35, v_rest.y);
        float beard = u_beard.x * v_fields.z * mix(1.0, below, u_beard.y) * smoothstep(0.25, 0.6, 0.35 + 0.5 * stubble);
        vec3 hair = u_hair * (0.55 + 0.9 * grain.g);
        base = mix(base, hair, clamp(max(cover, beard), 0.0, 1.0));
        gloss *= 1.0 - 0.7 * max(cover, beard);
        if (u_shirt > -5.0) {
            float inside = smoothstep(-0.015, 0.015, v_fields.w + u_shirt);
            base = mix(base, fabric(u_colour_b, u_hair.zxy * 0.0 + u_colour_b.zxy * 0.6 + 0.2 * u_colour_b), inside);
            gloss *= 1.0 - inside; wrap *= 1.0 - inside; scatter *= 1.0 - inside;
        }
    } else if (u_mode == 1) {
        float light;
        if (u_strands > 0.5) {
            vec4 fine = textureLod(u_noise, strand(5.0), 0.5);
            vec4 coarse = textureLod(u_noise, strand(2.0) * vec2(1.0, 1.7) + 0.37, 1.0);
            light = 0.35 + 0.85 * fine.g + 0.5 * (coarse.g - 0.5);
            // v_fields.y is the distance inside the hairline here, u_scalp.x its shift, u_scalp.z how full the shell is.
            float edge = v_fields.y + u_scalp.x + (coarse.g - 0.5) * 0.55 + (fine.g - 0.5) * 0.25;
            alpha = smoothstep(-u_scalp.y, u_scalp.y, edge) * smoothstep(1.0 - u_scalp.z, 1.15 - u_scalp.z, fine.g * 0.6 + coarse.g * 0.4 + 0.15);
        } else {
            vec4 t = texture(u_texture_a, v_uv);
            light = dot(t.rgb, vec3(0.3, 0.59, 0.11)) * u_brightness;
            light = mix(0.8, light, 0.75);
            alpha = smoothstep(0.05, 0.75, t.a);
        }
        base = mix(u_hair, u_hair.rgb * vec3(1.15, 1.0, 0.85) + 0.01, noise(strand(1.0)).a) * light;
        n = normalize(n + 0.35 * (light - 0.8) * vec3(0.3, 1.0, 0.2));
        gloss = u_gloss * light * light; power = 12.0; wrap = 0.15;
    } else if (u_mode == 2) {
        vec4 t = texture(u_texture_a, v_uv);
        vec3 c = linear(t.rgb);
        float light = dot(c, vec3(0.3, 0.59, 0.11));
        base = mix(c * u_colour, fabric(u_colour, u_colour_b) * (0.3 + 2.2 * light), u_recolour);
        if (u_recolour > 1.5) base = fabric(u_colour, u_colour_b);
        alpha = t.a;
    } else {
        vec4 t = texture(u_texture_a, v_uv);
        base = linear(t.rgb) * u_colour; alpha = t.a; power = 40.0;
    }
    float lit = 1.0;
    vec3 s = v_shadow.xyz / v_shadow.w * 0.5 + 0.5;
    if (u_shadow_strength > 0.0) lit = mix(1.0, texture(u_shadow, vec3(s.xy, s.z - 0.004)), u_shadow_strength);
    vec3 result = base * mix(u_ground, u_sky, 0.5 + 0.5 * dot(n, u_up));
    for (int i = 0; i < 3; ++i) {
        float cosine = dot(n, u_light_direction[i]);
        float diffuse = max((cosine + wrap) / (1.0 + wrap), 0.0);
        vec3 soft = scatter * smoothstep(-0.4, 0.1, cosine) * (1.0 - smoothstep(0.1, 0.6, cosine));
        float spec = gloss * pow(max(dot(n, normalize(view + u_light_direction[i])), 0.0), power) * step(0.0, cosine);
        float shade = i == 0 ? lit : 1.0;
        result += shade * u_light_colour[i] * (base * diffuse + base * soft + vec3(spec));
    }
    float rim = pow(1.0 - max(dot(n, view), 0.0), 4.0);
    result += base * rim * 0.25 * u_sky;
    // A soft shoulder instead of clipping, then the display curve.
    result = result / (1.0 + 0.25 * result);
    colour_out = vec4(pow(clamp(result, 0.0, 1.0), vec3(1.0 / 2.2)), alpha * u_alpha);
}
"""
