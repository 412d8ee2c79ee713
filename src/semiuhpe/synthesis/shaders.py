"""GLSL of the head renderer (OpenGL 3.3 core, so that Mesa's software rasteriser runs it anywhere)."""

_BEND = """
uniform mat3 u_bend;        // turn of the torso relative to the head, mesh frame
uniform vec3 u_pivot;       // where the neck bends
uniform mat3 u_eye_bend;    // turn of an eyeball
uniform vec3 u_eye_pivot;
uniform mat3 u_model;       // camera <- mesh
uniform vec3 u_centre;      // mesh point that sits on the optical axis
uniform float u_distance;
vec3 place(vec3 p, float share) {
    p = u_eye_bend * (p - u_eye_pivot) + u_eye_pivot;
    p = mix(p, u_bend * (p - u_pivot) + u_pivot, share);
    return u_model * (p - u_centre) + vec3(0.0, 0.0, u_distance);
}
vec3 orient(vec3 n, float share) { n = u_eye_bend * n; return u_model * normalize(mix(n, u_bend * n, share)); }
float sharp(float x) { x *= x; x *= x; x *= x; return POWER > 15.0 ? x * x : x; }
"""

VERTEX = (
    """#version 330
in vec3 a_position; in vec3 a_normal; in vec2 a_uv; in vec4 a_fields;
uniform vec3 u_window;      // centre x, y and half side of the picture, in units of the normalised image plane
uniform vec2 u_clip;        // near, far
uniform mat4 u_light_view;
uniform sampler2DShadow u_shadow;
uniform vec3 u_light_direction[3]; uniform vec3 u_light_colour[3];
uniform vec3 u_sky; uniform vec3 u_ground; uniform vec3 u_up; uniform float u_shadow_strength; uniform float u_gloss;
out vec3 v_light; out vec3 v_shine; out vec2 v_uv; out vec4 v_fields; out vec3 v_rest;
"""
    + _BEND
    + """
// Light is computed at vertices: they are about a pixel apart, and a software rasteriser pays for every fragment.
void main() {
    float share = a_fields.x;
    vec3 p = place(a_position, share);
    vec3 n = orient(a_normal, share);
    v_uv = a_uv; v_fields = a_fields; v_rest = a_position;
    vec3 view = normalize(-p);
    if (TWO_SIDED && dot(n, view) < 0.0) n = -n;
    vec4 s = u_light_view * vec4(p + 0.04 * n, 1.0);
    vec3 at = s.xyz * 0.5 + 0.5;
    float seen = 0.25 * (texture(u_shadow, vec3(at.xy + vec2(0.003, 0.001), at.z)) + texture(u_shadow, vec3(at.xy + vec2(-0.001, 0.003), at.z))
        + texture(u_shadow, vec3(at.xy + vec2(-0.003, -0.001), at.z)) + texture(u_shadow, vec3(at.xy + vec2(0.001, -0.003), at.z)));
    vec3 lit = vec3(mix(1.0, seen, u_shadow_strength));
    if (MODE == 0) lit.r = sqrt(lit.r);  // the edge of a shadow on skin is red
    vec3 light = mix(u_ground, u_sky, 0.5 + 0.5 * dot(n, u_up));
    vec3 shine = vec3(0.0);
    // Hair shines in a band across its strands (Kajiya and Kay 1989); they run from the crown down along the surface.
    vec3 away = orient(a_position - vec3(0.0, 8.1, 0.0), share);
    vec3 strand = normalize(away - n * dot(n, away) + 1e-4);
    for (int i = 0; i < 3; ++i) {
        float cosine = dot(n, u_light_direction[i]);
        vec3 own = (i == 0 ? lit : vec3(1.0)) * u_light_colour[i];
        vec3 half_way = normalize(view + u_light_direction[i]);
        vec3 diffuse = max((cosine + WRAP) / (1.0 + WRAP), 0.0);
        if (MODE == 1) {
            float along = dot(strand, u_light_direction[i]), across = dot(strand, half_way);
            light += own * diffuse * (0.4 + 0.6 * sqrt(max(1.0 - along * along, 0.0)));
            shine += own * sharp(sqrt(max(1.0 - across * across, 0.0))) * smoothstep(-0.2, 0.5, cosine);
        } else {
            light += own * diffuse;
            float mirror = max(dot(n, half_way), 0.0), narrow = sharp(mirror);
            // Skin: a wide sheen and a narrow, oily one, stronger where it is seen at a flat angle (Schlick 1994).
            if (MODE == 0) narrow = (0.55 * narrow + 0.6 * narrow * narrow * narrow) * (0.8 + 2.0 * pow(1.0 - max(dot(view, half_way), 0.0), 5.0));
            shine += own * narrow * step(0.0, cosine);
        }
    }
    float rim = 1.0 - max(dot(n, view), 0.0);
    light += rim * rim * rim * 0.2 * u_sky;
    v_light = light; v_shine = u_gloss * shine;
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
in vec3 v_light; in vec3 v_shine; in vec2 v_uv; in vec4 v_fields; in vec3 v_rest;
uniform sampler2D u_texture_a; uniform sampler2D u_noise;
uniform vec3 u_colour; uniform vec3 u_colour_b; uniform vec3 u_hair; uniform float u_recolour;
uniform vec3 u_scalp; uniform vec2 u_beard; uniform float u_shirt; uniform vec2 u_pattern;
uniform float u_alpha; uniform float u_brightness; uniform float u_contrast; uniform float u_ragged; uniform vec2 u_seed;
out vec4 colour_out;

vec3 linear(vec3 c) { return c * (c * (c * 0.305306011 + 0.682171111) + 0.012522878); }
vec4 noise(vec2 p) { return textureLod(u_noise, p, 0.0); }
vec3 fabric(vec3 a, vec3 b, float mottle) {
    vec2 q = fract(v_rest.xy * u_pattern.y + u_seed);
    float s = 0.0;
    if (u_pattern.x == 1.0) s = step(0.5, q.y);
    else if (u_pattern.x == 2.0) s = 0.5 * (step(0.5, q.y) + step(0.5, q.x));
    else if (u_pattern.x == 3.0) s = smoothstep(0.45, 0.55, mottle);
    return mix(a, b, s) * (0.85 + 0.3 * mottle);
}
// Strands run from the crown down: streaks across the azimuth, long along the way down.
vec2 strand(float scale) {
    vec3 d = v_rest - vec3(0.0, 7.75, 0.05);
    // A diamond's perimeter instead of a circle's: an angle without an arc tangent; its seam is at the front.
    float along = d.x / max(abs(d.x) + abs(d.z), 1e-5);
    float azimuth = 0.25 * (d.z > 0.0 ? 2.0 * sign(d.x) - along : along);
    return vec2(azimuth * scale, length(d) * 0.13) + u_seed;
}

void main() {
    vec3 base; vec3 shine = v_shine; float alpha = 1.0;
#if MODE == 0
    vec4 fine = noise(strand(6.0));
    vec4 grain = noise(v_rest.xy * 0.4 + v_rest.zx * 0.2 + u_seed);
    base = linear(texture(u_texture_a, v_uv).rgb) * u_colour * (0.92 + 0.16 * grain.a);
    float edge = v_fields.y + u_scalp.x + u_ragged * ((fine.g - 0.5) * 0.35 + (grain.a - 0.5) * 0.3);
    float cover = u_scalp.z * smoothstep(-u_scalp.y, u_scalp.y, edge);
    float below = smoothstep(6.0, 6.35, v_rest.y);
    float beard = u_beard.x * v_fields.z * mix(1.0, below, u_beard.y) * smoothstep(0.25, 0.6, 0.35 + 0.5 * grain.r);
    cover = clamp(max(cover, beard), 0.0, 1.0);
    base = mix(base, u_hair * (0.55 + 0.9 * fine.g), cover);
    float inside = smoothstep(-0.015, 0.015, v_fields.w + u_shirt);
    base = mix(base, fabric(u_colour_b, u_colour_b.zxy * 0.6 + 0.2 * u_colour_b, grain.a), inside);
    shine *= (1.0 - 0.7 * cover) * (1.0 - inside);
#elif MODE == 1
    float light;
#if STRANDS
    vec4 fine = noise(strand(5.0));
    vec4 coarse = noise(strand(2.0) * vec2(1.0, 1.7) + 0.37);
    light = 0.9 + u_contrast * (0.85 * (fine.g - 0.5) + 0.7 * (coarse.g - 0.5));
    // v_fields.y is the distance inside the hairline here, u_scalp.x its shift, u_scalp.z how full the shell is.
    float edge = v_fields.y + u_scalp.x + u_ragged * ((coarse.g - 0.5) * 0.55 + (fine.g - 0.5) * 0.25);
    alpha = smoothstep(-u_scalp.y, u_scalp.y, edge) * smoothstep(1.0 - u_scalp.z, 1.15 - u_scalp.z, fine.g * 0.6 + coarse.g * 0.4 + 0.15);
    base = mix(u_hair, u_hair * vec3(1.15, 1.0, 0.85) + 0.01, coarse.a) * light;
#else
    vec4 t = texture(u_texture_a, v_uv);
    light = 0.2 + 0.75 * dot(t.rgb, vec3(0.3, 0.59, 0.11)) * u_brightness;
    alpha = smoothstep(0.05, 0.75, t.a);
    base = u_hair * light;
#endif
    shine *= light * light;
#elif MODE == 2
    vec4 t = texture(u_texture_a, v_uv);
    vec3 c = linear(t.rgb);
    vec3 dyed = fabric(u_colour, u_colour_b, noise(v_rest.xy * 0.35 + u_seed).a);
    base = u_recolour > 1.5 ? dyed : mix(c * u_colour, dyed * (0.3 + 2.2 * dot(c, vec3(0.3, 0.59, 0.11))), u_recolour);
    alpha = t.a;
#else
    vec4 t = texture(u_texture_a, v_uv);
    base = linear(t.rgb) * u_colour; alpha = t.a;
#endif
#if MODE != 0  // a shader without discard can skip what is already hidden
    alpha *= u_alpha;
    // Partial cover by hashed cut-outs: no sorting, and averaged when the picture is reduced.
    float hash = fract(52.9829189 * fract(dot(gl_FragCoord.xy, vec2(0.06711056, 0.00583715))));
    if (alpha < 0.999 && alpha < 0.15 + 0.7 * hash) discard;
#endif
    vec3 result = base * v_light + shine;
    result = result / (1.0 + 0.25 * result);  // a soft shoulder instead of clipping, then the display curve
    colour_out = vec4(sqrt(result), 1.0);
}
"""
